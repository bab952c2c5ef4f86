package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

const graphqlPath = "/api/graphql"

var loadGraphQL = sync.OnceValues(func() (*ast.Schema, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "schema.graphql"))
	if err != nil {
		return nil, err
	}
	document, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: "schema.graphql", Input: string(text)})
	if err != nil {
		return nil, err
	}
	for _, d := range document.Definitions { // GitHub defines some fields twice
		seen := map[string]bool{}
		d.Fields = slices.DeleteFunc(d.Fields, func(f *ast.FieldDefinition) bool {
			again := seen[f.Name]
			seen[f.Name] = true
			return again
		})
	}
	schema, err := validator.ValidateSchemaDocument(document)
	if err != nil {
		return nil, err
	}
	return schema, nil
})

type graphqlRequest struct {
	Query     string
	Variables map[string]any
}

// graphql holds a query and its variables against GitHub's schema.
func (d *description) graphql(body []byte) error {
	var q graphqlRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return err
	}
	schema, err := loadGraphQL()
	if err != nil {
		return err
	}
	document, wrong := gqlparser.LoadQueryWithRules(schema, q.Query, rules.NewDefaultRules())
	if len(wrong) > 0 {
		return wrong
	}
	_, err = validator.VariableValues(schema, document.Operations[0], q.Variables)
	return err
}

// serveGraphQL knows the mutations that oakum needs and no more; what a query
// selects it does not look at.
func (s *Server) serveGraphQL(w http.ResponseWriter, req *http.Request) {
	q, ok := read[graphqlRequest](w, req)
	if !ok {
		return
	}
	who := whose(req.Context())
	if strings.Contains(q.Query, "viewer") {
		reply(w, http.StatusOK, object{"data": object{"viewer": object{"login": who.login}}})
		return
	}
	var id int64
	var number int
	if _, err := fmt.Sscanf(fmt.Sprint(q.Variables["id"]), "PR_%d_%d", &id, &number); err != nil || s.numbered(id) == nil || !who.sees(s.numbered(id)) {
		graphqlError(w, "NOT_FOUND", fmt.Sprintf("Could not resolve to a node with the global id of '%v'", q.Variables["id"]))
		return
	}
	if !who.may("pull_requests", "write") {
		graphqlError(w, "FORBIDDEN", "Resource not accessible by integration")
		return
	}
	r := s.numbered(id)
	p := r.Pull(number)
	r.s.mu.Lock()
	allowed, noDrafts := r.autoMerge, r.noDrafts
	r.s.mu.Unlock()
	action := ""
	switch {
	case strings.Contains(q.Query, "convertPullRequestToDraft") && noDrafts:
		graphqlError(w, "UNPROCESSABLE", "Draft pull requests are not supported in this repository.")
		return
	case strings.Contains(q.Query, "convertPullRequestToDraft"):
		p = r.change(number, func(p *Pull) { p.Draft = true })
		action = "converted_to_draft"
	case strings.Contains(q.Query, "markPullRequestReadyForReview"):
		p = r.change(number, func(p *Pull) { p.Draft = false })
		action = "ready_for_review"
	case strings.Contains(q.Query, "enablePullRequestAutoMerge"):
		switch {
		case !allowed:
			graphqlError(w, "UNPROCESSABLE", "Auto merge is not allowed for this repository")
			return
		case p.State != "open":
			graphqlError(w, "UNPROCESSABLE", "Pull request is closed")
			return
		case q.Variables["head"] != nil && q.Variables["head"] != r.Head(p.Head):
			graphqlError(w, "UNPROCESSABLE", "Head sha didn't match expected head sha")
			return
		}
		p = r.change(number, func(p *Pull) { p.AutoMerge = fmt.Sprint(q.Variables["method"]) })
		action = "auto_merge_enabled"
	case strings.Contains(q.Query, "disablePullRequestAutoMerge"):
		p = r.change(number, func(p *Pull) { p.AutoMerge = "" })
		action = "auto_merge_disabled"
	default:
		graphqlError(w, "UNPROCESSABLE", "the stand-in does not know this query")
		return
	}
	r.tellPull(who, action, p, nil)
	reply(w, http.StatusOK, object{"data": object{}})
}

func graphqlError(w http.ResponseWriter, kind, message string) {
	reply(w, http.StatusOK, object{"data": nil, "errors": []object{{"type": kind, "message": message}}})
}
