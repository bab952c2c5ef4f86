package remediate

import (
	"context"
	"fmt"
	"log/slog"
)

// RedactLog is a handler that takes credentials out of every record, message
// and attributes, before next has it: whatever a library puts into an error.
func RedactLog(next slog.Handler, secrets ...string) slog.Handler {
	return redactingHandler{next, secrets}
}

type redactingHandler struct {
	next    slog.Handler
	secrets []string
}

func (h redactingHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.next.Enabled(ctx, l)
}

func (h redactingHandler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, Redact(r.Message, h.secrets...), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h redactingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return redactingHandler{h.next.WithAttrs(clean), h.secrets}
}

func (h redactingHandler) WithGroup(name string) slog.Handler {
	return redactingHandler{h.next.WithGroup(name), h.secrets}
}

// attr keeps numbers, times and truths as they are. Anything else is what its
// text says, for a struct can hold a token in any field.
func (h redactingHandler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindUint64, slog.KindTime:
		return slog.Attr{Key: a.Key, Value: v}
	case slog.KindGroup:
		members := make([]slog.Attr, len(v.Group()))
		for i, m := range v.Group() {
			members[i] = h.attr(m)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(members...)}
	case slog.KindString:
		return slog.String(a.Key, Redact(v.String(), h.secrets...))
	}
	return slog.String(a.Key, Redact(fmt.Sprint(v.Any()), h.secrets...))
}
