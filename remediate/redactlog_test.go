package remediate_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

type withToken struct{ Token string }

func TestRedactLog(t *testing.T) {
	t.Parallel()
	tokens := []string{
		"ghs_0123456789abcdef", "ghp_0123456789abcdef", "github_pat_11ABCDEFG0_abcdefghij",
		"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl", "my-own-secret",
	}
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		for _, token := range tokens {
			log := slog.New(remediate.RedactLog(handler, "my-own-secret"))
			log.Info("with "+token, "text", token, "error", errors.New("x "+token), "struct", withToken{token},
				slog.Group("group", "in", token, slog.Group("deeper", "in", token)))
			log.With("before", token).WithGroup("g").Warn("x", "url", "https://x:"+token+"@host/")
			log.Debug("not shown")
		}
	}
	for _, token := range tokens {
		if strings.Contains(out.String(), token) {
			t.Errorf("%s is in %s", token, out.String())
		}
	}
	out.Reset()
	slog.New(remediate.RedactLog(slog.NewTextHandler(&out, nil))).Info("kept", "n", 7, "for", time.Minute, "ok", true, "text", "plain")
	if !strings.HasSuffix(out.String(), "msg=kept n=7 for=1m0s ok=true text=plain\n") {
		t.Errorf("log %q", out.String())
	}
}
