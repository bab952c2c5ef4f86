package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

// maxDeliveryPages bounds how far back one look goes: ten thousand attempts.
const maxDeliveryPages = 100

var errNoApp = errors.New("only an App has deliveries: with a token nobody can ask for them")

// FailedDeliveries are the webhook events of which no attempt since then was
// answered with success, the oldest first. GitHub does not try again by itself,
// and forgets after three days.
func (h *Hub) FailedDeliveries(ctx context.Context, since time.Time) ([]remediate.FailedDelivery, error) {
	if h.app == nil {
		return nil, errNoApp
	}
	type attempt struct {
		ID        int64     `json:"id"`
		GUID      string    `json:"guid"`
		Delivered time.Time `json:"delivered_at"`
		Code      int       `json:"status_code"`
		Event     string    `json:"event"`
		Action    string    `json:"action"`
	}
	arrived := map[string]bool{}
	failed := map[string]remediate.FailedDelivery{}
	query := url.Values{"per_page": {"100"}}
	for range maxDeliveryPages {
		var page []attempt
		res, err := h.app.c.send(ctx, http.MethodGet, "app/hook/deliveries?"+query.Encode(), nil, &page)
		if err != nil {
			return nil, h.app.c.explain("listing the App's webhook deliveries", "", err)
		}
		old := false
		for _, a := range page { // the newest first
			if old = a.Delivered.Before(since); old {
				break
			}
			if a.Code >= 200 && a.Code < 300 {
				arrived[a.GUID] = true
			} else if _, newer := failed[a.GUID]; !newer {
				failed[a.GUID] = remediate.FailedDelivery{
					ID: a.ID, GUID: a.GUID, Event: a.Event, Action: a.Action, Status: a.Code, Attempted: a.Delivered,
				}
			}
		}
		if old || res.Cursor == "" {
			break
		}
		query.Set("cursor", res.Cursor)
	}
	var list []remediate.FailedDelivery
	for guid, f := range failed {
		if !arrived[guid] {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b remediate.FailedDelivery) int { return a.Attempted.Compare(b.Attempted) })
	return list, nil
}

// Redeliver has GitHub send a webhook event again. It does so in a moment; the
// next look tells how that went.
func (h *Hub) Redeliver(ctx context.Context, id int64) error {
	if h.app == nil {
		return errNoApp
	}
	_, err := h.app.c.send(repeatable(ctx), http.MethodPost, fmt.Sprintf("app/hook/deliveries/%d/attempts", id), nil, nil)
	return h.app.c.explain(fmt.Sprintf("asking for delivery %d again", id), "", err)
}
