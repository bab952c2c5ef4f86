// Package bundle keeps a set of policies as an OCI image layout, which any
// registry takes, and reads it back by its digest.
package bundle

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Media types of the image specification, version 1.1, and of what is written here.
const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
	tarType      = "application/vnd.oci.image.layer.v1.tar"
	emptyType    = "application/vnd.oci.empty.v1+json"
	artifactType = "application/vnd.oakum.policies.v1"

	titleKey = "org.opencontainers.image.title"
	refKey   = "org.opencontainers.image.ref.name"
)

// Bounds on a bundle, whoever wrote it.
const (
	maxManifest = 1 << 20  // bytes of a manifest or an index
	maxLayer    = 16 << 20 // bytes of a layer, as it is kept
	maxTotal    = 64 << 20 // bytes of all files
	maxFiles    = 10_000
	maxDepth    = 4 // indexes of indexes
)

// descriptor points at a blob.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// document is a manifest or an index, as far as either is read.
type document struct {
	MediaType string       `json:"mediaType"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

var digests = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Read gives the files of the manifest that a layout has by a digest, or of
// the one manifest of an index. Every blob is held against its digest. Layers
// are archives, or single files with their name in an annotation, as ORAS
// pushes them.
func Read(layout fs.FS, digest string) (fs.FS, error) {
	if !digests.MatchString(digest) {
		return nil, fmt.Errorf("digest %q is not sha256: and 64 hexadecimal digits", digest)
	}
	if _, err := fs.Stat(layout, "oci-layout"); err != nil {
		return nil, errors.New("there is no file oci-layout: it is no OCI image layout")
	}
	var m document
	for range maxDepth {
		src, err := blob(layout, descriptor{Digest: digest}, maxManifest)
		if err != nil {
			return nil, err
		}
		m = document{}
		if err := json.Unmarshal(src, &m); err != nil {
			return nil, fmt.Errorf("reading %s: %w", digest, err)
		}
		if m.MediaType != indexType && len(m.Manifests) == 0 {
			break
		}
		if len(m.Manifests) != 1 || !digests.MatchString(m.Manifests[0].Digest) {
			return nil, fmt.Errorf("%s is an index of %d manifests: name the digest of one of them", digest, len(m.Manifests))
		}
		digest = m.Manifests[0].Digest
	}
	f := &files{content: map[string][]byte{}}
	for _, l := range m.Layers {
		if err := f.layer(layout, l); err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.Digest, err)
		}
	}
	if len(f.content) == 0 {
		return nil, fmt.Errorf("%s holds no files", digest)
	}
	return f.tree()
}

// files is what a bundle holds, by path.
type files struct {
	content map[string][]byte
	total   int64
}

// tree is the files as a file system: an archive in memory is one.
func (f *files) tree() (fs.FS, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(f.content)) {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = entry.Write(f.content[name])
		}
		if err != nil {
			return nil, fmt.Errorf("keeping %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("keeping the files: %w", err)
	}
	return zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
}

// blob reads what a descriptor points at, and holds it against its digest.
func blob(layout fs.FS, d descriptor, limit int64) ([]byte, error) {
	if !digests.MatchString(d.Digest) {
		return nil, fmt.Errorf("digest %q is not sha256: and 64 hexadecimal digits", d.Digest)
	}
	f, err := layout.Open("blobs/sha256/" + strings.TrimPrefix(d.Digest, "sha256:"))
	if err != nil {
		return nil, fmt.Errorf("the layout has no blob %s", d.Digest)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading blob %s: %w", d.Digest, err)
	case int64(len(src)) > limit:
		return nil, fmt.Errorf("blob %s has more than the %d MiB that are read", d.Digest, limit>>20)
	case digestOf(src) != d.Digest:
		return nil, fmt.Errorf("blob %s is not what its digest says: it has %s", d.Digest, digestOf(src))
	}
	return src, nil
}

func digestOf(src []byte) string {
	sum := sha256.Sum256(src)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// layer adds the files of a layer.
func (f *files) layer(layout fs.FS, d descriptor) error {
	src, err := blob(layout, d, maxLayer)
	if err != nil {
		return err
	}
	switch {
	case strings.Contains(d.MediaType, "zstd"):
		return errors.New("it is compressed by zstd: only gzip and plain archives are read")
	case strings.HasSuffix(d.MediaType, "tar+gzip"), strings.HasSuffix(d.MediaType, "tar.gzip"):
		z, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			return err
		}
		return f.archive(z)
	case strings.HasSuffix(d.MediaType, "tar"):
		return f.archive(bytes.NewReader(src))
	case d.Annotations[titleKey] != "":
		return f.add(d.Annotations[titleKey], int64(len(src)), bytes.NewReader(src))
	}
	return fmt.Errorf("its media type is %q, and it has no name: archives are read, and files with the annotation %s", d.MediaType, titleKey)
}

func (f *files) archive(r io.Reader) error {
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the archive: %w", err)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			if err := f.add(h.Name, h.Size, t); err != nil {
				return err
			}
		case tar.TypeDir:
		default:
			return fmt.Errorf("%s is neither a file nor a folder: links are not followed", h.Name)
		}
	}
}

func (f *files) add(name string, size int64, r io.Reader) error {
	clean := strings.TrimPrefix(path.Clean(name), "./")
	switch {
	case !fs.ValidPath(clean) || clean == ".":
		return fmt.Errorf("path %q leads out of the bundle", name)
	case len(f.content) == maxFiles:
		return fmt.Errorf("it has more than %d files", maxFiles)
	case f.total+size > maxTotal:
		return fmt.Errorf("its files have more than %d MiB", maxTotal>>20)
	}
	src, err := io.ReadAll(io.LimitReader(r, size))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	f.total += size
	f.content[clean] = src
	return nil
}

// Layout is the files of an OCI image layout that holds the files of a tree,
// and the digest of its manifest. The same files give the same bytes. A tag
// may be empty.
func Layout(tree map[string][]byte, tag string) (layout map[string][]byte, digest string, err error) {
	layout = map[string][]byte{}
	keep := func(mediaType string, src []byte) descriptor {
		d := descriptor{MediaType: mediaType, Digest: digestOf(src), Size: int64(len(src))}
		layout["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")] = src
		return d
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive) // as it is: gzip may come out different tomorrow
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(tree[name])), Format: tar.FormatPAX}); err != nil {
			return nil, "", fmt.Errorf("packing %s: %w", name, err)
		}
		if _, err := w.Write(tree[name]); err != nil {
			return nil, "", fmt.Errorf("packing %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("packing: %w", err)
	}
	manifest, err := json.Marshal(struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		ArtifactType  string       `json:"artifactType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{2, manifestType, artifactType, keep(emptyType, []byte("{}")), []descriptor{keep(tarType, archive.Bytes())}})
	if err != nil {
		return nil, "", err
	}
	m := keep(manifestType, manifest)
	m.ArtifactType = artifactType
	if tag != "" {
		m.Annotations = map[string]string{refKey: tag}
	}
	index, err := json.Marshal(struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Manifests     []descriptor `json:"manifests"`
	}{2, indexType, []descriptor{m}})
	if err != nil {
		return nil, "", err
	}
	layout["index.json"] = index
	layout["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	return layout, m.Digest, nil
}
