package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/oakum-dev/oakum/detect/policy/bundle"
)

var policies = map[string][]byte{"a.yaml": []byte("a: 1\n"), "more/b.yaml": []byte("b: 2\n")}

func mapFS(files map[string][]byte) fstest.MapFS {
	out := fstest.MapFS{}
	for name, src := range files {
		out[name] = &fstest.MapFile{Data: src}
	}
	return out
}

func holds(t *testing.T, tree fs.FS, want map[string][]byte) {
	t.Helper()
	got := map[string]string{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		src, err := fs.ReadFile(tree, name)
		got[name] = string(src)
		return err
	})
	wanted := map[string]string{}
	for name, src := range want {
		wanted[name] = string(src)
	}
	if err != nil || !maps.Equal(got, wanted) {
		t.Errorf("holds %q, %v; want %q", got, err, wanted)
	}
}

// TestRoundTrip: what is packed comes out again, and always under the same digest.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	layout, digest, err := bundle.Layout(policies, "v1")
	if err != nil {
		t.Fatal(err)
	}
	if want := "sha256:c71ac84fde200c2e9b0811b4ef0aaa81a1617165daa04303ec34080db90639a3"; digest != want {
		t.Errorf("digest %s, want %s: bundles that are out there would not be found again", digest, want)
	}
	tree, err := bundle.Read(mapFS(layout), digest)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, tree, policies)
	if !strings.Contains(string(layout["index.json"]), `"org.opencontainers.image.ref.name":"v1"`) {
		t.Errorf("the tag is not in %s", layout["index.json"])
	}
}

// image makes layouts by hand.
type image map[string][]byte

func (i image) blob(src []byte) string {
	sum := sha256.Sum256(src)
	name := hex.EncodeToString(sum[:])
	i["blobs/sha256/"+name] = src
	return "sha256:" + name
}

func (i image) manifest(layers ...string) string {
	i["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	return i.blob(fmt.Appendf(nil, `{"schemaVersion":2,"layers":[%s]}`, strings.Join(layers, ",")))
}

func (i image) layer(mediaType, title string, src []byte) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"annotations":{"org.opencontainers.image.title":%q}}`, mediaType, i.blob(src), title)
}

func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{'a'}, int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t *testing.T, src []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(src); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestOfOthers: layouts as other tools write them.
func TestOfOthers(t *testing.T) {
	t.Parallel()
	i := image{}
	packed := gzipped(t, archive(t, tar.Header{Name: "./", Typeflag: tar.TypeDir}, tar.Header{Name: "./p/a.yaml", Typeflag: tar.TypeReg, Size: 3}))
	digest := i.manifest(
		i.layer("application/vnd.oci.image.layer.v1.tar+gzip", "", packed),
		i.layer("application/yaml", "b.yaml", []byte("b: 2\n")),
	)
	index := i.blob(fmt.Appendf(nil, `{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":%q}]}`, digest))
	for _, d := range []string{digest, index} {
		tree, err := bundle.Read(mapFS(i), d)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, tree, map[string][]byte{"p/a.yaml": []byte("aaa"), "b.yaml": []byte("b: 2\n")})
	}
}

// TestHostile: layouts that lie, lead elsewhere or never end.
func TestHostile(t *testing.T) {
	t.Parallel()
	const plain = "application/vnd.oci.image.layer.v1.tar"
	zeros := strings.Repeat("0", 64)
	for name, test := range map[string]struct {
		make func(image) string
		want string
	}{
		"no layout":    {func(i image) string { d := i.manifest(); delete(i, "oci-layout"); return d }, "no OCI image layout"},
		"short digest": {func(i image) string { return i.manifest()[:20] }, "64 hexadecimal digits"},
		"other digest": {func(i image) string { i.manifest(); return "sha512:" + zeros }, "64 hexadecimal digits"},
		"no blob":      {func(i image) string { i.manifest(); return "sha256:" + zeros }, "the layout has no blob"},
		"digest in tar": {func(i image) string {
			return i.manifest(`{"mediaType":"` + plain + `","digest":"../../../etc/passwd"}`)
		}, "64 hexadecimal digits"},
		"changed": {func(i image) string {
			d := i.manifest(i.layer(plain, "", []byte("x")))
			i["blobs/sha256/"+strings.TrimPrefix(d, "sha256:")] = []byte(`{"layers":[]}`)
			return d
		}, "is not what its digest says"},
		"huge manifest": {func(i image) string { i.manifest(); return i.blob(bytes.Repeat([]byte{' '}, 1<<20+1)) }, "more than the 1 MiB"},
		"huge layer":    {func(i image) string { return i.manifest(i.layer(plain, "", make([]byte, 16<<20+1))) }, "more than the 16 MiB"},
		"bomb": {func(i image) string {
			packed := gzipped(t, archive(t, tar.Header{Name: "a.yaml", Typeflag: tar.TypeReg, Size: 64<<20 + 1}))
			return i.manifest(i.layer(plain+"+gzip", "", packed))
		}, "more than 64 MiB"},
		"link": {func(i image) string {
			return i.manifest(i.layer(plain, "", archive(t, tar.Header{Name: "a.yaml", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})))
		}, "links are not followed"},
		"out of it": {func(i image) string {
			return i.manifest(i.layer(plain, "", archive(t, tar.Header{Name: "../a.yaml", Typeflag: tar.TypeReg})))
		}, "leads out of the bundle"},
		"absolute": {func(i image) string { return i.manifest(i.layer("text/yaml", "/etc/a.yaml", []byte("a"))) }, "leads out of the bundle"},
		"cut off":  {func(i image) string { return i.manifest(i.layer(plain, "", make([]byte, 700))) }, "unexpected EOF"},
		"zstd":     {func(i image) string { return i.manifest(i.layer(plain+"+zstd", "", []byte("x"))) }, "zstd"},
		"nameless": {func(i image) string { return i.manifest(i.layer("text/yaml", "", []byte("a"))) }, "it has no name"},
		"empty":    {func(i image) string { return i.manifest() }, "holds no files"},
		"many": {func(i image) string {
			i.manifest()
			return i.blob([]byte(`{"manifests":[{"digest":"a"},{"digest":"b"}]}`))
		}, "an index of 2 manifests"},
		"no JSON": {func(i image) string { i.manifest(); return i.blob([]byte("<html>")) }, "reading sha256:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := image{}
			digest := test.make(i)
			tree, err := bundle.Read(mapFS(i), digest)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v; want %q", tree, err, test.want)
			}
		})
	}
}
