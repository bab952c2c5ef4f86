package remediate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/remediate"
)

func TestRefusalOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"remote: error: GH013: Repository rule violations found for refs/heads/x. - Commits must have verified signatures.": remediate.RefusedSigned,
		"GH013: Repository rule violations found":                                                            remediate.RefusedRules,
		"GH006: Protected branch update failed for refs/heads/main. At least 1 approving review is required": remediate.RefusedRules,
		"Repository was archived so is read-only.":                                                           remediate.RefusedArchived,
		"This installation has been suspended":                                                               remediate.RefusedSuspended,
		"non-fast-forward":                                                                                   "",
	} {
		if got := remediate.RefusalOf(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
		if want != "" && remediate.NextStep(want) == "" {
			t.Errorf("nothing to do about %q", want)
		}
	}
	err := remediate.RedactError(errors.Join(errors.New("ghs_0123456789abcdef"), &remediate.Refusal{Reason: remediate.RefusedRules}))
	var refusal *remediate.Refusal
	if !errors.As(err, &refusal) || strings.Contains(err.Error(), "ghs_0") {
		t.Errorf("error %v", err)
	}
}
