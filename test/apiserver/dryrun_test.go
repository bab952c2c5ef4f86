package apiserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// TestServerAcceptsFixes: what the server took before a fix, it takes after.
func TestServerAcceptsFixes(t *testing.T) {
	before, after := directory(t, "OAKUM_BEFORE"), directory(t, "OAKUM_AFTER")
	began := time.Now()
	server := connect(t)
	t.Logf("API server ready after %s", time.Since(began).Round(time.Millisecond))

	got, err := server.compare(t.Context(), before, after)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files changed; accepted before %d, accepted after %d; refused both %d, unknown kinds %d, not objects %d",
		got.files, got.acceptedBefore, got.acceptedAfter, got.refusedBoth, got.unknownKinds, got.notObjects)
	if got.acceptedAfter == 0 {
		t.Error("no object was accepted: nothing was compared; do OAKUM_BEFORE and OAKUM_AFTER hold manifests that differ?")
	}
	for _, broken := range got.broken {
		t.Error(broken)
	}
}

// TestComparisonSeesBreakage: the comparison above can fail.
func TestComparisonSeesBreakage(t *testing.T) {
	const valid = `apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers:
  - {name: web, image: web, securityContext: {privileged: true}}
`
	server := connect(t)
	for _, test := range []struct{ name, before, after, want string }{
		{"untouched", valid, valid, ""},
		{"mended", valid, strings.Replace(valid, "privileged: true", "privileged: false", 1), ""},
		{"mended from refused", strings.Replace(valid, "image: web", "image: ''", 1), valid, ""},
		{"invalid value", valid, strings.Replace(valid, "privileged: true", "runAsUser: -1", 1), "runAsUser"},
		{"wrong type", valid, strings.Replace(valid, "privileged: true", "privileged: 'no'", 1), "privileged"},
		{"unknown field", valid, strings.Replace(valid, "privileged: true", "privilege: false", 1), "privilege"},
		{"forbidden together", valid, strings.Replace(valid, "privileged: true", "privileged: true, allowPrivilegeEscalation: false", 1), "allowPrivilegeEscalation"},
		{"no longer YAML", valid, valid + "   status: {\n", "not in the file any more"},
		{"renamed", valid, strings.Replace(valid, "name: web,", "name: web2,", 1), "not in the file any more"},
		{"document lost", valid + "---\n" + valid, valid, "not in the file any more"},
		{"file lost", valid, "", "not in the file any more"},
		{"bad new file", "", strings.Replace(valid, "image: web", "image: ''", 1), "image"},
		{"bad item of a list", valid, "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: UPPER}\n", "UPPER"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, after := t.TempDir(), t.TempDir()
			for dir, text := range map[string]string{before: test.before, after: test.after} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, "web.yaml"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := server.compare(t.Context(), before, after)
			if err != nil {
				t.Fatal(err)
			}
			reported := strings.Join(got.broken, "\n")
			if (reported == "") != (test.want == "") || !strings.Contains(reported, test.want) {
				t.Errorf("reported %q, want a report of %q", reported, test.want)
			}
		})
	}
}

// directory is the directory that an environment variable names.
func directory(t *testing.T, variable string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Fatalf("%s=%q is no directory: it must name the manifests before (OAKUM_BEFORE) and after (OAKUM_AFTER) fixing; .ci/apiserver makes both", variable, dir)
	}
	return dir
}

// server is a running API server and what it knows.
type server struct {
	objects dynamic.Interface
	kinds   meta.RESTMapper
}

func connect(t *testing.T) server {
	t.Helper()
	config := Start(t).Config
	// What the server would warn of is not what this test asks it.
	config.WarningHandler = rest.NoWarnings{}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	known, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatalf("making a discovery client: %v", err)
	}
	groups, err := restmapper.GetAPIGroupResources(known)
	if err != nil {
		t.Fatalf("asking the server for the kinds it knows: %v", err)
	}
	return server{objects, restmapper.NewDiscoveryRESTMapper(groups)}
}

// comparison counts objects, apart from files; broken holds one message for
// each object that the change made worse.
type comparison struct {
	files, acceptedBefore, acceptedAfter, refusedBoth, unknownKinds, notObjects int
	broken                                                                      []string
}

// compare sends every object of every file whose bytes differ between the two
// directories to the server. An object may not be taken less well after than
// before, may not vanish, and must be taken when it is new.
func (s server) compare(ctx context.Context, before, after string) (comparison, error) {
	var c comparison
	files, err := changed(before, after)
	if err != nil {
		return c, err
	}
	c.files = len(files)
	for _, file := range files {
		old, _, err := read(filepath.Join(before, file))
		if err != nil {
			return c, err
		}
		mended, notObjects, err := read(filepath.Join(after, file))
		if err != nil {
			return c, err
		}
		c.notObjects += notObjects

		was := map[identity]verdict{}
		for _, o := range old {
			v, err := s.try(ctx, o)
			if err != nil {
				return c, fmt.Errorf("%s: %s: %w", file, o.identity, err)
			}
			was[o.identity] = v
			if v.taken > refused {
				c.acceptedBefore++
			}
		}
		is := map[identity]bool{}
		for _, o := range mended {
			is[o.identity] = true
			v, err := s.try(ctx, o)
			if err != nil {
				return c, fmt.Errorf("%s: %s: %w", file, o.identity, err)
			}
			earlier, existed := was[o.identity]
			switch {
			case v.taken == unknown:
				c.unknownKinds++
			case v.taken > refused:
				c.acceptedAfter++
			case existed && earlier.taken == refused:
				c.refusedBoth++
			}
			switch {
			case v.taken == unknown:
			case existed && v.taken < earlier.taken:
				c.broken = append(c.broken, fmt.Sprintf("%s: %s: worse than before: %s", file, o.identity, v.message))
			case !existed && v.taken < strictly:
				c.broken = append(c.broken, fmt.Sprintf("%s: %s: new, and not taken: %s", file, o.identity, v.message))
			}
		}
		for _, o := range old {
			if was[o.identity].taken > refused && !is[o.identity] {
				c.broken = append(c.broken, fmt.Sprintf("%s: %s: not in the file any more", file, o.identity))
			}
		}
	}
	return c, nil
}

// verdict is the server's answer; message says why it is not the best one.
type verdict struct {
	taken   int
	message string
}

// How well the server takes an object, from worst to best.
const (
	unknown  = iota // it serves no such kind
	refused         // invalid, or admission forbids it
	loosely         // taken when fields it does not know are dropped
	strictly        // taken as written
)

// try asks the server to create an object in a dry run. The error says that no
// answer was had.
func (s server) try(ctx context.Context, o object) (verdict, error) {
	kind := o.GroupVersionKind()
	mapping, err := s.kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return verdict{unknown, err.Error()}, nil
	}
	if err != nil {
		return verdict{}, fmt.Errorf("looking up the kind: %w", err)
	}
	var client dynamic.ResourceInterface = s.objects.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		namespace := o.GetNamespace()
		if namespace == "" {
			namespace = metav1.NamespaceDefault
		}
		if err := s.makeNamespace(ctx, namespace); err != nil {
			if _, answered := errors.AsType[*apierrors.StatusError](err); answered {
				return verdict{refused, err.Error()}, nil
			}
			return verdict{}, err
		}
		client = s.objects.Resource(mapping.Resource).Namespace(namespace)
	}

	var said string
	for _, level := range []struct {
		taken      int
		validation string
	}{{strictly, metav1.FieldValidationStrict}, {loosely, metav1.FieldValidationIgnore}} {
		_, err := client.Create(ctx, &o.Unstructured, metav1.CreateOptions{
			DryRun:          []string{metav1.DryRunAll},
			FieldValidation: level.validation,
		})
		// "Already exists" is said by the store, so only after the object has
		// passed decoding, validation and admission.
		if err == nil || apierrors.IsAlreadyExists(err) {
			return verdict{level.taken, said}, nil
		}
		if _, answered := errors.AsType[*apierrors.StatusError](err); !answered {
			return verdict{}, fmt.Errorf("asking the server: %w", err)
		}
		said = err.Error()
	}
	return verdict{refused, said}, nil
}

// makeNamespace makes a namespace for real, since a dry run in one that is
// absent is refused.
func (s server) makeNamespace(ctx context.Context, name string) error {
	var namespace unstructured.Unstructured
	namespace.SetAPIVersion("v1")
	namespace.SetKind("Namespace")
	namespace.SetName(name)
	resource := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	_, err := s.objects.Resource(resource).Create(ctx, &namespace, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating namespace %q: %w", name, err)
	}
	return nil
}

// identity finds an object again in the same file; ordinal tells those of the
// same name apart.
type identity struct {
	kind, namespace, name string
	ordinal               int
}

func (i identity) String() string {
	said := i.kind + " " + strings.TrimPrefix(i.namespace+"/"+i.name, "/")
	if i.ordinal > 0 {
		said += fmt.Sprintf(" (%d of the same name precede it)", i.ordinal)
	}
	return said
}

type object struct {
	identity
	unstructured.Unstructured
}

// read returns the objects in a file, lists unwrapped, and counts the documents
// that are none: templates, values, patches as lists of operations. A file that
// does not exist holds none.
func read(path string) (objects []object, notObjects int, err error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("reading a manifest: %w", err)
	}
	seen := map[identity]int{}
	add := func(u unstructured.Unstructured) {
		id := identity{kind: u.GetKind(), namespace: u.GetNamespace(), name: u.GetName()}
		ordinal := seen[id]
		seen[id]++
		id.ordinal = ordinal
		objects = append(objects, object{id, u})
	}
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, notObjects, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("splitting %s into documents: %w", path, err)
		}
		var u unstructured.Unstructured
		text, err := yaml.ToJSON(document)
		if err == nil {
			err = u.UnmarshalJSON(text)
		}
		switch {
		case err != nil || u.GetAPIVersion() == "":
			notObjects++
		case u.IsList():
			list, err := u.ToList()
			if err != nil {
				notObjects++
				continue
			}
			for _, item := range list.Items {
				add(item)
			}
		default:
			add(u)
		}
	}
}

// changed lists the manifests of either directory, by path relative to it, whose
// bytes differ, those in one directory only included.
func changed(before, after string) ([]string, error) {
	var files []string
	for _, root := range []string{before, after} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
				return err
			}
			file, err := filepath.Rel(root, path)
			if err == nil {
				files = append(files, file)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("listing manifests: %w", err)
		}
	}
	slices.Sort(files)
	files = slices.Compact(files)
	var unequal error
	files = slices.DeleteFunc(files, func(file string) bool {
		old, errOld := os.ReadFile(filepath.Join(before, file))
		mended, errMended := os.ReadFile(filepath.Join(after, file))
		for _, err := range []error{errOld, errMended} {
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				unequal = errors.Join(unequal, err)
			}
		}
		return errOld == nil && errMended == nil && bytes.Equal(old, mended)
	})
	return files, unequal
}
