package apiserver

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// asked is the environment variable that makes a test binary a server.
const asked = "OAKUM_APISERVER_DIR"

// Process is an API server in a process of its own: one that can be killed, and
// started again with the same data on the same port. Several may run at once.
type Process struct {
	*Server // Config is another after each start

	dir     string
	command *exec.Cmd
	stdin   io.Closer // its end ends the server
}

// started is what a server in a process of its own says once it is ready.
type started struct {
	Host, ServerName, Token, Etcd string
	CA                            []byte
}

// ServeIfAsked is for TestMain: in a process that StartProcess started it
// serves until its standard input ends, and exits. Elsewhere it does nothing.
func ServeIfAsked() {
	dir := os.Getenv(asked)
	if dir == "" {
		return
	}
	if err := serve(dir); err != nil {
		fmt.Fprintln(os.Stderr, "apiserver:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(dir string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := Run(ctx, dir)
	if err != nil {
		return err
	}
	c := s.Config
	if err := json.NewEncoder(os.Stdout).Encode(started{c.Host, c.ServerName, c.BearerToken, s.Etcd, c.CAData}); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	stop()
	return s.Wait()
}

// StartProcess starts an API server in a process of its own, which ends with
// the test.
func StartProcess(t testing.TB) *Process {
	t.Helper()
	p := &Process{dir: t.TempDir()}
	t.Cleanup(func() {
		if p.command != nil {
			p.Kill(t)
		}
	})
	p.Start(t)
	return p
}

// Start starts the server anew after Kill.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

func (p *Process) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.command = exec.Command(self)
	p.command.Env = append(os.Environ(), asked+"="+p.dir)
	p.command.Stderr = os.Stderr
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		return err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.command.Start(); err != nil {
		return err
	}
	said := make(chan []byte, 1)
	go func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		lines.Scan()
		said <- lines.Bytes()
		_, _ = io.Copy(io.Discard, out)
	}()
	select {
	case line := <-said:
		var s started
		if err := json.Unmarshal(line, &s); err != nil {
			return fmt.Errorf("starting an API server in a process of its own: it said %q: %w", line, err)
		}
		p.Server = serverIn(p.dir)
		p.Etcd = s.Etcd
		p.Config = &rest.Config{Host: s.Host, BearerToken: s.Token, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: s.CA, ServerName: s.ServerName}}
		return nil
	case <-time.After(3 * readyWithin):
		return errors.New("starting an API server in a process of its own: it is not ready")
	}
}

// Kill kills the server, as a crash does.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	if err := p.command.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = p.command.Wait() // it was killed
	p.command = nil
	p.stdin.Close()
}
