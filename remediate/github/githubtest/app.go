package githubtest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The App that is installed on the repositories.
const (
	AppID    = 4711
	AppSlug  = "oakum"
	ClientID = "Iv23lioakumoakumoaku"
	AppLogin = AppSlug + "[bot]"
)

// Key is the App's private key. Making one takes a while, so all servers have
// the same.
var Key = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// actor is who sends a request.
type actor struct {
	login string
	bot   bool
	app   int64  // zero: a person, or a person's token
	grant *grant // nil: everything is allowed
	self  bool   // the App itself, which may only ask about itself
}

// person is somebody, or another App.
func person(login string) *actor {
	who := &actor{login: login, bot: strings.HasSuffix(login, "[bot]")}
	if who.bot {
		who.app = number(login)
	}
	return who
}

// grant is a token of an installation.
type grant struct {
	in           *Installation
	repositories map[int64]bool
	rights       map[string]string
	expires      time.Time
}

type actorKey struct{}

func with(ctx context.Context, who *actor) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}
func whose(ctx context.Context) *actor { return ctx.Value(actorKey{}).(*actor) }

// who has a token; nil: nobody.
func (s *Server) who(token string) *actor {
	if token == "" {
		return nil
	}
	if token == s.Token {
		if strings.HasPrefix(token, "ghs_") {
			return &actor{login: AppLogin, bot: true, app: AppID}
		}
		return person("oakum-user")
	}
	if strings.Count(token, ".") == 2 {
		if err := s.verify(token); err != nil {
			return nil
		}
		return &actor{login: AppLogin, bot: true, app: AppID, self: true}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.tokens[token]
	if g == nil || !s.Time().Before(g.expires) || g.in.removed {
		return nil
	}
	return &actor{login: AppLogin, bot: true, app: AppID, grant: g}
}

// verify holds a JSON web token against the App's public key.
func (s *Server) verify(token string) error {
	part := strings.Split(token, ".")
	var header struct{ Alg string }
	var claims struct {
		Iss      any
		Iat, Exp int64
	}
	for i, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(part[i])
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return err
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(part[0] + "." + part[1]))
	issuer, now := fmt.Sprint(claims.Iss), s.Time().Unix()
	switch {
	case header.Alg != "RS256":
		return errors.New("another algorithm")
	case issuer != ClientID && issuer != strconv.Itoa(AppID):
		return errors.New("another issuer")
	case claims.Iat > now || claims.Exp <= now || claims.Exp > now+600:
		return errors.New("not now")
	}
	return rsa.VerifyPKCS1v15(&Key().PublicKey, crypto.SHA256, sum[:], signature)
}

func (a *actor) sees(r *Repository) bool {
	switch {
	case a.self: // where it is installed
		return true
	case a.grant == nil:
		return true
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return a.grant.repositories[r.ID] && a.grant.in.repositories[r.ID]
}

func (a *actor) may(kind, level string) bool {
	if a.self {
		return kind == "metadata"
	}
	if a.grant == nil {
		return true
	}
	has := a.grant.rights[kind]
	return has == "write" || has == level || kind == "metadata" && level == "read"
}

func (a *actor) suspended() bool {
	if a.grant == nil {
		return false
	}
	s := a.grant.in.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return !a.grant.in.suspendedAt.IsZero()
}

func (a *actor) installation() int64 {
	if a.grant == nil {
		return 0
	}
	return a.grant.in.ID
}

// Expire lets every token that was issued be over.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.tokens {
		g.expires = time.Time{}
	}
}

// Issued are all tokens that there ever were.
func (s *Server) Issued() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.tokens))
}

func (s *Server) routeApp() {
	own := func(serve http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if !whose(req.Context()).self {
				reply(w, http.StatusUnauthorized, basicError("A JSON web token could not be decoded", http.StatusUnauthorized))
				return
			}
			serve(w, req)
		}
	}
	s.mux.HandleFunc("GET "+apiRoot+"/app", own(func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.appObject(AppLogin)) }))
	s.mux.HandleFunc("GET "+apiRoot+"/app/installations", own(s.listInstallations))
	s.mux.HandleFunc("GET "+apiRoot+"/app/installations/{installation}", own(s.getInstallation))
	s.mux.HandleFunc("POST "+apiRoot+"/app/installations/{installation}/access_tokens", own(s.createToken))
	s.mux.HandleFunc("GET "+apiRoot+"/app/hook/deliveries", own(s.hook.list))
	s.mux.HandleFunc("POST "+apiRoot+"/app/hook/deliveries/{delivery}/attempts", own(s.hook.again))
	s.mux.HandleFunc("GET "+apiRoot+"/installation/repositories", s.listRepositories)
}

// appObject is the App that acts under a login, this one or another.
func (s *Server) appObject(login string) object {
	slug, id := strings.TrimSuffix(login, "[bot]"), number(login)
	if login == AppLogin {
		id = AppID
	}
	return s.spec.sample("integration", object{
		"id": id, "slug": slug, "client_id": ClientID, "node_id": "A_1", "name": slug, "owner": s.spec.user(Owner),
		"permissions": object{}, "events": []any{},
	})
}

func (s *Server) createToken(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct {
		Repositories []int64           `json:"repository_ids"`
		Permissions  map[string]string `json:"permissions"`
	}](w, req)
	if !ok {
		return
	}
	in := s.installation(req)
	if in == nil {
		missing(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !in.suspendedAt.IsZero() {
		reply(w, http.StatusForbidden, basicError("This installation has been suspended", http.StatusForbidden))
		return
	}
	g := &grant{in: in, rights: maps.Clone(in.rights), repositories: maps.Clone(in.repositories), expires: s.Time().Add(time.Hour).Truncate(time.Second)}
	if body.Permissions != nil {
		g.rights = map[string]string{}
		for right, level := range body.Permissions {
			if has := in.rights[right]; has != "write" && has != level {
				unprocessable(w, "The permissions requested are not granted to this installation.")
				return
			}
			g.rights[right] = level
		}
	}
	answer := object{}
	if body.Repositories != nil {
		g.repositories = map[int64]bool{}
		var list []any
		for _, id := range body.Repositories {
			if !in.repositories[id] {
				unprocessable(w, "There is at least one repository that does not exist or is not accessible to the parent installation.")
				return
			}
			g.repositories[id] = true
			name := s.repositories[id-1].name
			list = append(list, s.spec.sample("repository", object{
				"id": id, "full_name": name, "name": name[strings.Index(name, "/")+1:], "owner": s.spec.user(in.Owner),
			}))
		}
		answer["repositories"] = list
	}
	random := make([]byte, 18)
	_, _ = rand.Read(random)
	token := "ghs_" + hex.EncodeToString(random)
	s.tokens[token] = g
	rights := object{}
	for right, level := range g.rights {
		rights[right] = level
	}
	merge(answer, object{"token": token, "expires_at": stamp(g.expires), "permissions": rights, "repository_selection": "selected"})
	reply(w, http.StatusCreated, s.spec.sample("installation-token", answer))
}

func (s *Server) listRepositories(w http.ResponseWriter, req *http.Request) {
	who := whose(req.Context())
	if who.grant == nil {
		reply(w, http.StatusForbidden, basicError("You must authenticate with an installation access token in order to list repositories for an installation.", http.StatusForbidden))
		return
	}
	s.mu.Lock()
	repositories := slices.Clone(s.repositories)
	s.mu.Unlock()
	var all []object
	for _, r := range repositories {
		if who.sees(r) {
			all = append(all, r.object("repository"))
		}
	}
	total := len(all)
	reply(w, http.StatusOK, object{"total_count": total, "repositories": append([]object{}, paged(s, w, req.URL, all)...)})
}
