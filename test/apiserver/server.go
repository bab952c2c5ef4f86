// Package apiserver runs a real Kubernetes API server, over a real etcd, inside
// a test or for a trial. It is a module of its own: the product neither needs nor may import
// the server's code.
package apiserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// readyWithin bounds the start of each server; either takes seconds.
const readyWithin = time.Minute

// Server is a running API server.
type Server struct {
	Config *rest.Config // with the rights of system:masters
	Audit  string       // the path of the audit log: events as JSON, one a line, by the level Metadata
	Log    string       // the path of what the servers themselves say
	Etcd   string       // the URL at which etcd serves clients
	Roots  string       // the path of the certificate that clients other than Config trust

	stopped chan error
	etcd    *embed.Etcd
}

// Start is Run for a test: the server is gone, and its files removed, when the
// test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	// t.Context ends just before the cleanups run, which is what stops the server.
	s, err := Run(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Run starts etcd and kube-apiserver on loopback ports of the kernel's choice,
// with their files below dir, and returns as soon as /readyz says ok. Nodes and
// users are authorized by Node and RBAC, NodeRestriction and PodSecurity are
// on, and every request is in the audit log. There are no controllers, no
// nodes and no network: what is accepted is stored, and nothing ever runs.
// Both servers stop when the context ends; Wait waits for that. Run again in
// the same directory, they go on where they stopped: with the same data, port,
// certificate and keys.
//
// kube-apiserver has process-wide state, so one server at a time may run.
func Run(ctx context.Context, dir string) (*Server, error) {
	s := serverIn(dir)
	out, err := os.Create(s.Log)
	if err != nil {
		return nil, fmt.Errorf("creating the servers' log: %w", err)
	}
	quiet := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(quiet)
	if err := quiet.Parse([]string{"-logtostderr=false", "-stderrthreshold=FATAL"}); err != nil {
		return nil, fmt.Errorf("sending the servers' log to a file: %w", err)
	}
	klog.SetOutput(out)
	if err := s.start(ctx, dir); err != nil {
		said, _ := os.ReadFile(s.Log)
		return nil, fmt.Errorf("starting an API server: %w\nits log:\n%s", err, said)
	}
	return s, nil
}

func serverIn(dir string) *Server {
	return &Server{
		Audit: filepath.Join(dir, "audit.log"), Log: filepath.Join(dir, "server.log"),
		Roots: filepath.Join(dir, "certificates", "apiserver.crt"), stopped: make(chan error, 1),
	}
}

// Wait waits, once the context of Run has ended, until both servers are gone.
func (s *Server) Wait() error {
	err := <-s.stopped
	s.etcd.Close()
	if err != nil {
		return fmt.Errorf("stopping kube-apiserver: %w", err)
	}
	return nil
}

func (s *Server) start(ctx context.Context, dir string) error {
	var err error
	if s.Etcd, err = s.startEtcd(filepath.Join(dir, "etcd")); err != nil {
		return err
	}
	completed, err := s.configure(ctx, dir, s.Etcd)
	if err != nil {
		return err
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return fmt.Errorf("configuring kube-apiserver: %w", err)
	}
	ready, err := config.Complete()
	if err != nil {
		return fmt.Errorf("completing kube-apiserver's configuration: %w", err)
	}
	chain, err := app.CreateServerChain(ready)
	if err != nil {
		return fmt.Errorf("building kube-apiserver: %w", err)
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return fmt.Errorf("preparing kube-apiserver: %w", err)
	}
	go func() { s.stopped <- prepared.Run(ctx) }()

	s.Config = rest.CopyConfig(chain.GenericAPIServer.LoopbackClientConfig)
	s.Config.QPS = -1 // no client-side throttling against a server of our own
	return waitReady(ctx, s.Config)
}

// startEtcd returns the URL at which etcd serves clients.
func (s *Server) startEtcd(dir string) (string, error) {
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config := embed.NewConfig()
	config.Dir = dir
	config.LogOutputs = []string{s.Log}
	config.UnsafeNoFsync = true // the data is worth nothing after the test
	config.ListenClientUrls, config.AdvertiseClientUrls = loopback, loopback
	config.ListenPeerUrls, config.AdvertisePeerUrls = loopback, loopback
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", fmt.Errorf("starting etcd: %w", err)
	}
	s.etcd = etcd
	select {
	case <-etcd.Server.ReadyNotify():
		return "http://" + etcd.Clients[0].Addr().String(), nil
	case err := <-etcd.Err():
		return "", fmt.Errorf("running etcd: %w", err)
	case <-time.After(readyWithin):
		return "", fmt.Errorf("waiting for etcd: not ready within %s", readyWithin)
	}
}

// configure says what a cluster's administrator would say on the command line.
func (s *Server) configure(ctx context.Context, dir, store string) (options.CompletedOptions, error) {
	key, err := writeKey(filepath.Join(dir, "service-account.key"))
	if err != nil {
		return options.CompletedOptions{}, err
	}
	audit := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(audit, []byte(auditPolicy), 0o600); err != nil {
		return options.CompletedOptions{}, fmt.Errorf("writing the audit policy: %w", err)
	}
	listener, err := listen(filepath.Join(dir, "address"))
	if err != nil {
		return options.CompletedOptions{}, fmt.Errorf("listening on loopback: %w", err)
	}

	server := options.NewServerRunOptions()
	server.SecureServing.Listener = listener
	address := listener.Addr().(*net.TCPAddr)
	server.SecureServing.BindPort = address.Port
	server.SecureServing.ExternalAddress = address.IP

	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, set := range server.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	err = flags.Parse([]string{
		"--etcd-servers=" + store,
		"--cert-dir=" + filepath.Join(dir, "certificates"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--audit-log-path=" + s.Audit,
		"--audit-policy-file=" + audit,
		"--service-cluster-ip-range=10.0.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-signing-key-file=" + key,
		"--service-account-key-file=" + key,
		// Every distribution allows it; otherwise a privileged container would
		// be refused before and after a fix, and the fix would go unjudged.
		"--allow-privileged=true",
		// A loopback address is no endpoint to publish.
		"--endpoint-reconciler-type=none",
		// It refuses a pod whose service account is absent. No controller makes
		// the default one here, and whether an account came first is a question
		// of order, not of what the manifest says.
		"--disable-admission-plugins=ServiceAccount",
	})
	if err != nil {
		return options.CompletedOptions{}, fmt.Errorf("reading kube-apiserver's flags: %w", err)
	}
	if err := server.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return options.CompletedOptions{}, fmt.Errorf("setting kube-apiserver's feature gates: %w", err)
	}
	completed, err := server.Complete(ctx)
	if err != nil {
		return options.CompletedOptions{}, fmt.Errorf("completing kube-apiserver's options: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return options.CompletedOptions{}, fmt.Errorf("checking kube-apiserver's options: %w", utilerrors.NewAggregate(errs))
	}
	return completed, nil
}

// listen takes a port of the kernel's choice or, where the file names one, the
// same as before.
func listen(file string) (net.Listener, error) {
	before, err := os.ReadFile(file)
	if err == nil {
		return net.Listen("tcp", string(before))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return listener, os.WriteFile(file, []byte(listener.Addr().String()), 0o600)
}

// auditPolicy has every request in the log once, when it is answered.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules: [{level: Metadata}]
`

// writeKey makes the key that service account tokens are signed with, unless
// there is one.
func writeKey(path string) (string, error) {
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("making the service account key: %w", err)
	}
	pem, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return "", fmt.Errorf("encoding the service account key: %w", err)
	}
	if err := os.WriteFile(path, pem, 0o600); err != nil {
		return "", fmt.Errorf("writing the service account key: %w", err)
	}
	return path, nil
}

// waitReady polls /readyz, which answers 200 once the server's start-up hooks
// (RBAC's bootstrap roles, the built-in namespaces) are done.
func waitReady(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, readyWithin, true, func(ctx context.Context) (bool, error) {
		var status int
		client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&status)
		return status == http.StatusOK, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for /readyz: not ready within %s: %w", readyWithin, err)
	}
	return nil
}
