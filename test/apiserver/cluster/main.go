// Command cluster runs a real Kubernetes API server for a trial: it loads the
// objects of a directory, writes a kubeconfig and serves until it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	apiserver "github.com/oakum-dev/oakum/test/apiserver"
	"github.com/oakum-dev/oakum/testdata/fleet"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "where to write the kubeconfig (default: in a temporary directory)")
	pods := flag.Int("pods", 0, "fill it with about so many pods as well, and all that comes with them in a large cluster")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, *pods, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string, pods int, dirs []string) (err error) {
	dir, err := os.MkdirTemp("", "oakum-cluster-")
	if err != nil {
		return fmt.Errorf("making a directory for the cluster: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := apiserver.Run(ctx, dir)
	if err != nil {
		return err
	}
	for _, d := range dirs {
		n, err := apiserver.Load(ctx, server.Config, os.DirFS(d))
		if err != nil {
			return fmt.Errorf("loading %s: %w", d, err)
		}
		fmt.Printf("%d objects of %s are in the cluster\n", n, d)
	}
	if pods > 0 {
		n, err := apiserver.Fill(ctx, server.Config, fleet.Cluster{Seed: 1, Pods: pods}.Parts())
		if err != nil {
			return fmt.Errorf("filling the cluster: %w", err)
		}
		fmt.Printf("%d objects with about %d pods are in the cluster\n", n, pods)
	}
	if kubeconfig == "" {
		kubeconfig = filepath.Join(dir, "kubeconfig")
	}
	if err := clientcmd.WriteToFile(access(server.Config), kubeconfig); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	fmt.Printf("the API server is ready; try:\n\n  export KUBECONFIG=%s\n  oakum scan --live\n\nstop it by Ctrl-C\n", kubeconfig)
	<-ctx.Done()
	return server.Wait()
}

// access is a kubeconfig that does what a client configuration does.
func access(c *rest.Config) api.Config {
	const name = "trial"
	return api.Config{
		Clusters:       map[string]*api.Cluster{name: {Server: c.Host, CertificateAuthorityData: c.CAData, TLSServerName: c.ServerName}},
		AuthInfos:      map[string]*api.AuthInfo{name: {Token: c.BearerToken}},
		Contexts:       map[string]*api.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}
}
