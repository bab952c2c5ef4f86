package remediate

import "strings"

// RefusalOf reads out of what a server wrote about a write why it does not take
// it; empty if that is none of the reasons that a person has to act on. A push
// and an API give the same texts.
func RefusalOf(text string) string {
	text = strings.ToLower(text)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("suspended"):
		return RefusedSuspended
	case has("archived"):
		return RefusedArchived
	case has("repository access blocked", "repository has been disabled", "repository is disabled"):
		return RefusedDisabled
	case has("verified signature", "must be signed", "gh006") && has("sign"):
		return RefusedSigned
	case has("gh006", "gh013", "rule violations", "protected branch", "protected ref", "pre-receive hook declined", "cannot force-push"):
		return RefusedRules
	}
	return ""
}

// NextStep is what a person can do about a refusal.
func NextStep(reason string) string {
	switch reason {
	case RefusedToken:
		return "the token is wrong, expired or revoked: set GITHUB_TOKEN to a valid one"
	case RefusedSuspended:
		return "the App's installation is suspended: unsuspend it in the owner's settings, under GitHub Apps"
	case RefusedRemoved:
		return "install the App there, or leave the repository out"
	case RefusedArchived:
		return "unarchive the repository, or leave it out"
	case RefusedDisabled:
		return "it is switched off in the repository's settings"
	case RefusedSigned:
		return "the branch takes signed commits only: authenticate as a GitHub App, whose commits GitHub signs, or leave oakum's branches out of the rule"
	case RefusedRules:
		return "a rule protects the branch: leave oakum's branches out of it, or let oakum bypass it"
	case RefusedMoved:
		return "the repository has moved: use its new name"
	}
	return ""
}
