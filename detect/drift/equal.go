package drift

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// equal tells whether two scalars are the same to the API server.
func (s shape) equal(git, live any) bool {
	if live == nil {
		return !s.kept && empty(git)
	}
	if git == live {
		return true
	}
	if a, ok := number(git); ok {
		if b, ok := number(live); ok {
			return a == b
		}
	}
	a, b := fmt.Sprint(git), fmt.Sprint(live)
	switch s.typ {
	case reflect.TypeFor[resource.Quantity]():
		x, errX := resource.ParseQuantity(a)
		y, errY := resource.ParseQuantity(b)
		return errX == nil && errY == nil && x.Cmp(y) == 0
	case reflect.TypeFor[intstr.IntOrString]():
		return a == b
	case reflect.TypeFor[metav1.Duration]():
		x, errX := time.ParseDuration(a)
		y, errY := time.ParseDuration(b)
		return errX == nil && errY == nil && x == y
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		x, errX := time.Parse(time.RFC3339, a)
		y, errY := time.Parse(time.RFC3339, b)
		return errX == nil && errY == nil && x.Equal(y)
	case reflect.TypeFor[[]byte]():
		x, errX := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(a), ""))
		y, errY := base64.StdEncoding.DecodeString(b)
		return errX == nil && errY == nil && bytes.Equal(x, y)
	}
	return (s.crd["x-kubernetes-int-or-string"] == true || s.typ != nil && s.typ.Kind() == reflect.String) && a == b
}

// empty tells what the API server does not write out.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == "" || v == "0" // a quantity of nothing
	case bool:
		return !v
	}
	n, ok := number(v)
	return ok && n == 0
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// alike tells whether two values of which nothing is known are the same.
func alike(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !alike(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !alike(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	return a == b
}

// scalarText is a scalar that can tell items of a list apart.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, v != ""
	case bool:
		return strconv.FormatBool(v), true
	case int, int64, float64:
		return fmt.Sprint(v), true
	}
	return "", false
}
