package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// events are what a watch of one kind tells, each object trimmed as soon as it
// was read.
type events struct {
	*follower
	body   io.ReadCloser
	stream stream
}

func newEvents(f *follower, body io.ReadCloser) watch.Interface {
	return watch.NewStreamWatcher(&events{f, body, stream{from: body}}, apierrors.NewClientErrorReporter(http.StatusInternalServerError, "watch", "ClientWatchDecoding"))
}

// Decode reads the next event.
func (e *events) Decode() (watch.EventType, runtime.Object, error) {
	for {
		is, o, err := e.next()
		if err == nil && (is == watch.Added || is == watch.Modified) {
			if o, err = e.kept(o); err == nil && o == nil {
				continue // it went in the meantime, which is told next
			}
		}
		switch {
		case err == io.EOF:
			return "", nil, io.EOF
		case errors.Is(err, io.ErrUnexpectedEOF):
			return "", nil, io.ErrUnexpectedEOF // StreamWatcher knows it by itself alone
		case err != nil:
			return "", nil, fmt.Errorf("reading a watch of %s: %w", e.kind.GroupResource(), err)
		}
		return is, &unstructured.Unstructured{Object: o}, nil
	}
}

func (e *events) next() (is watch.EventType, o map[string]any, err error) {
	if _, err := e.stream.peek(); errors.Is(err, errCut) {
		return "", nil, io.EOF // the server ends watches now and then
	}
	err = e.stream.members(func(key string) error {
		raw, spans, err := e.stream.value()
		switch {
		case err != nil:
		case key == "type":
			err = json.Unmarshal(raw, &is)
		case key == "object":
			o, err = e.watcher.decoder.object(raw, spans)
		}
		return err
	})
	return is, o, err
}

func (e *events) kept(o map[string]any) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(e.ctx, answerTime)
	defer cancel()
	return e.watcher.kept(ctx, e.kind, o)
}

// Close ends the watch.
func (e *events) Close() { _ = e.body.Close() }
