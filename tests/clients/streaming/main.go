// Upstream's own streaming code as a peer: its clients against our server, its server against our clients.
//
//	streaming client URL   runs exec and port-forward against URL, prints "ok" lines, fails on a difference
//	streaming server       serves exec and port-forward as container runtimes do, prints its address
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
	criforward "k8s.io/kubelet/pkg/cri/streaming/portforward"
	criexec "k8s.io/kubelet/pkg/cri/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 3 && os.Args[1] == "client":
		runClients(os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "server":
		serve()
	default:
		log.Fatal("usage: streaming client URL | streaming server")
	}
}

func check(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

// --- clients ---

func executor(base, path, form string) remotecommand.Executor {
	target, err := url.Parse(base + path)
	check(err, "parse")
	config := &rest.Config{Host: base}
	var out remotecommand.Executor
	if form == "spdy" {
		out, err = remotecommand.NewSPDYExecutor(config, "POST", target)
	} else {
		out, err = remotecommand.NewWebSocketExecutorForProtocols(config, "GET", target.String(), form)
	}
	check(err, "executor")
	return out
}

type sizes struct{ left []remotecommand.TerminalSize }

func (s *sizes) Next() *remotecommand.TerminalSize {
	if len(s.left) == 0 {
		return nil
	}
	next := s.left[0]
	s.left = s.left[1:]
	return &next
}

func runClients(base string) {
	for _, form := range []string{"spdy", "v5.channel.k8s.io"} {
		input := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		var out, errs bytes.Buffer
		err := executor(base, "/exec?stdin=true&stdout=true&stderr=true", form).StreamWithContext(
			context.Background(),
			remotecommand.StreamOptions{Stdin: bytes.NewReader(input), Stdout: &out, Stderr: &errs})
		var exit exec.CodeExitError
		if !errors.As(err, &exit) || exit.Code != 7 {
			log.Fatalf("%s: exit code 7 expected, got %v", form, err)
		}
		if sha256.Sum256(out.Bytes()) != sha256.Sum256(input) {
			log.Fatalf("%s: %d of %d bytes came back", form, out.Len(), len(input))
		}
		if want := fmt.Sprintf("saw %d", len(input)); errs.String() != want {
			log.Fatalf("%s: stderr %q", form, errs.String())
		}
		fmt.Println("ok exec", form)
	}
	for _, form := range []string{"spdy", "v5.channel.k8s.io", "v4.channel.k8s.io"} {
		var out bytes.Buffer
		err := executor(base, "/sizes?stdin=true&stdout=true&tty=true", form).StreamWithContext(
			context.Background(), remotecommand.StreamOptions{
				Stdin: neverEnding{}, Stdout: &out, Tty: true,
				TerminalSizeQueue: &sizes{[]remotecommand.TerminalSize{{Width: 80, Height: 24}, {Width: 120, Height: 50}}},
			})
		check(err, form+" sizes")
		if out.String() != "80x24 120x50 " {
			log.Fatalf("%s: sizes %q", form, out.String())
		}
		fmt.Println("ok sizes", form)
	}
	forwardPorts(base)
}

// neverEnding is a terminal at which nobody types.
type neverEnding struct{}

func (neverEnding) Read([]byte) (int, error) { select {} }

func forwardPorts(base string) {
	target, err := url.Parse(base + "/portforward")
	check(err, "parse")
	config := &rest.Config{Host: base}
	roundTripper, upgrader, err := spdy.RoundTripperFor(config)
	check(err, "round tripper")
	tunnel, err := portforward.NewSPDYOverWebsocketDialer(target, config)
	check(err, "tunnel")
	raw := spdy.NewDialer(upgrader, &http.Client{Transport: roundTripper}, "POST", target)
	forward := func(name string, pf *portforward.PortForwarder, err error, stop, ready chan struct{}, errs *bytes.Buffer) {
		check(err, name)
		done := make(chan error, 1)
		go func() { done <- pf.ForwardPorts() }()
		select {
		case <-ready:
		case err := <-done:
			log.Fatalf("%s: %v", name, err)
		}
		ports, err := pf.GetPorts()
		check(err, name)
		for round := 0; round < 20; round++ {
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
			check(err, name)
			text := strings.Repeat(fmt.Sprintf("round %d ", round), 1+round*500)
			go func() {
				_, _ = io.WriteString(conn, text)
				_ = conn.(*net.TCPConn).CloseWrite()
			}()
			answer, err := io.ReadAll(conn)
			check(err, name)
			if string(answer) != strings.ToUpper(text) {
				log.Fatalf("%s: round %d: %d of %d bytes", name, round, len(answer), len(text))
			}
			_ = conn.Close()
		}
		// A port that fails ends the forwarding, with the pod's words.
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[1].Local))
		check(err, name)
		_, _ = io.ReadAll(conn)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			log.Fatalf("%s: a failing port was not noticed", name)
		}
		close(stop)
		fmt.Println("ok portforward", name)
	}
	for _, name := range []string{"spdy", "tunnel"} {
		stop, ready, errs := make(chan struct{}), make(chan struct{}), &bytes.Buffer{}
		dialer := raw
		if name == "tunnel" {
			dialer = tunnel
		}
		pf, err := portforward.New(dialer, []string{"0:80", "0:81"}, stop, ready, io.Discard, errs)
		forward(name, pf, err, stop, ready, errs)
	}
}

// --- server ---

type runtime struct{}

func (runtime) ExecInContainer(_ context.Context, _ string, _ types.UID, _ string, _ []string, in io.Reader,
	out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	if tty {
		for i := 0; i < 2; i++ {
			size := <-resize
			fmt.Fprintf(out, "%dx%d ", size.Width, size.Height)
		}
		return nil
	}
	count, err := io.Copy(out, in)
	if err != nil {
		return err
	}
	fmt.Fprintf(errs, "saw %d", count)
	return utilexec.CodeExitError{Err: errors.New("exit status 7"), Code: 7}
}

func (runtime) PortForward(_ context.Context, _ string, _ types.UID, port int32, stream io.ReadWriteCloser) error {
	if port != 80 {
		return errors.New("connection refused")
	}
	text, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	_, err = stream.Write(bytes.ToUpper(text))
	return err
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err, "listen")
	protocols := []string{"v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"}
	mux := http.NewServeMux()
	mux.HandleFunc("/exec", func(w http.ResponseWriter, r *http.Request) {
		is := func(name string) bool { return r.URL.Query().Get(name) == "true" }
		options := &criexec.Options{Stdin: is("stdin"), Stdout: is("stdout"), Stderr: is("stderr"), TTY: is("tty")}
		criexec.ServeExec(w, r, runtime{}, "", "", "", nil, options, time.Minute, 10*time.Second, protocols)
	})
	mux.HandleFunc("/portforward", func(w http.ResponseWriter, r *http.Request) {
		criforward.ServePortForward(w, r, runtime{}, "", "", &criforward.V4Options{}, time.Minute, 10*time.Second,
			criforward.SupportedProtocols)
	})
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, mux))
}
