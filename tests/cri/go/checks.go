package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/streaming/pkg/httpstream"
)

type check struct {
	name string
	run  func(context.Context, *world) error
}

var checks = []check{
	{"life", life},
	{"events", events},
	{"exec over SPDY", overSPDY(execStreams)},
	{"exec over WebSocket", overWebSocket(execStreams)},
	{"terminal over SPDY", overSPDY(terminal)},
	{"terminal over WebSocket", overWebSocket(terminal)},
	{"attach over SPDY", overSPDY(attach)},
	{"attach over WebSocket", overWebSocket(attach)},
	{"forward over SPDY", forwardOver(false)},
	{"forward over WebSocket", forwardOver(true)},
}

// life runs a container to its end and reads its status.
func life(ctx context.Context, w *world) error {
	id, err := w.container(ctx, func(c *runtime.ContainerConfig) { c.Command = []string{"sh", "-c", "exit 7"} })
	if err != nil {
		return err
	}
	for {
		reply, err := w.runtime.ContainerStatus(ctx, &runtime.ContainerStatusRequest{ContainerId: id})
		if err != nil {
			return err
		}
		if reply.Status.State == runtime.ContainerState_CONTAINER_EXITED {
			return expect("exit code", reply.Status.ExitCode, 7)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// events sees a container start and stop.
func events(ctx context.Context, w *world) error {
	stream, err := w.runtime.GetContainerEvents(ctx, &runtime.GetEventsRequest{})
	if err != nil {
		return err
	}
	seen := make(chan error, 1)
	go func() {
		for {
			event, err := stream.Recv()
			if err != nil {
				seen <- err
				return
			}
			if event.ContainerEventType == runtime.ContainerEventType_CONTAINER_STOPPED_EVENT {
				seen <- nil
				return
			}
		}
	}()
	time.Sleep(200 * time.Millisecond)
	if _, err := w.container(ctx, func(c *runtime.ContainerConfig) { c.Command = []string{"true"} }); err != nil {
		return err
	}
	return <-seen
}

// dial makes an executor of a streaming URL.
type dial func(target *url.URL) (remotecommand.Executor, error)

func overSPDY(run func(context.Context, *world, dial) error) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		return run(ctx, w, func(target *url.URL) (remotecommand.Executor, error) {
			return remotecommand.NewSPDYExecutor(&rest.Config{}, http.MethodPost, target)
		})
	}
}

func overWebSocket(run func(context.Context, *world, dial) error) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		return run(ctx, w, func(target *url.URL) (remotecommand.Executor, error) {
			return remotecommand.NewWebSocketExecutor(&rest.Config{}, http.MethodGet, target.String())
		})
	}
}

func (w *world) exec(ctx context.Context, dial dial, id string, tty bool, options remotecommand.StreamOptions, words ...string) error {
	reply, err := w.runtime.Exec(ctx, &runtime.ExecRequest{
		ContainerId: id, Cmd: words, Tty: tty,
		Stdin: options.Stdin != nil, Stdout: options.Stdout != nil, Stderr: options.Stderr != nil,
	})
	if err != nil {
		return err
	}
	return stream(ctx, dial, reply.Url, options)
}

func stream(ctx context.Context, dial dial, address string, options remotecommand.StreamOptions) error {
	target, err := url.Parse(address)
	if err != nil {
		return err
	}
	executor, err := dial(target)
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, options)
}

// execStreams checks all three streams, half-closed input, much output, and the exit code.
func execStreams(ctx context.Context, w *world, dial dial) error {
	id, err := w.container(ctx, func(*runtime.ContainerConfig) {})
	if err != nil {
		return err
	}
	input := strings.Repeat("0123456789abcdef", 64<<10)
	var out, errs bytes.Buffer
	options := remotecommand.StreamOptions{Stdin: strings.NewReader(input), Stdout: &out, Stderr: &errs}
	if err := w.exec(ctx, dial, id, false, options, "sh", "-c", "cat; echo done >&2"); err != nil {
		return err
	}
	if err := expect("output", out.String() == input, true); err != nil {
		return fmt.Errorf("%w (%d of %d bytes)", err, out.Len(), len(input))
	}
	if err := expect("errors", errs.String(), "done\n"); err != nil {
		return err
	}
	out.Reset()
	err = w.exec(ctx, dial, id, false, remotecommand.StreamOptions{Stdout: &out, Stderr: &errs}, "sh", "-c", "exit 9")
	var code exec.CodeExitError
	if !errors.As(err, &code) {
		return fmt.Errorf("exit 9 came as %v", err)
	}
	return expect("exit code", code.Code, 9)
}

// sizes gives one terminal size.
type sizes chan remotecommand.TerminalSize

func (s sizes) Next() *remotecommand.TerminalSize {
	size, open := <-s
	if !open {
		return nil
	}
	return &size
}

// terminal checks a terminal, its size, and a resize.
func terminal(ctx context.Context, w *world, dial dial) error {
	id, err := w.container(ctx, func(*runtime.ContainerConfig) {})
	if err != nil {
		return err
	}
	queue := make(sizes, 1)
	queue <- remotecommand.TerminalSize{Width: 77, Height: 33}
	defer close(queue)
	var out bytes.Buffer
	read, write := io.Pipe()
	go func() {
		time.Sleep(500 * time.Millisecond)
		io.WriteString(write, "exit\n")
		time.Sleep(5 * time.Second)
		write.Close()
	}()
	options := remotecommand.StreamOptions{Stdin: read, Stdout: &out, Tty: true, TerminalSizeQueue: queue}
	script := "test -t 0 && echo terminal; sleep 0.3; busybox stty size; read line; echo got $line"
	if err := w.exec(ctx, dial, id, true, options, "sh", "-c", script); err != nil {
		return err
	}
	for _, want := range []string{"terminal", "33 77", "got exit"} {
		if !strings.Contains(out.String(), want) {
			return fmt.Errorf("%q is not in %q", want, out.String())
		}
	}
	return nil
}

// attach writes to a container's input and reads its answer, twice.
func attach(ctx context.Context, w *world, dial dial) error {
	id, err := w.container(ctx, func(c *runtime.ContainerConfig) {
		c.Command = []string{"sh", "-c", "while read line; do echo you said $line; test $line = end && exit 5; done"}
		c.Stdin = true
	})
	if err != nil {
		return err
	}
	for _, word := range []string{"hello", "end"} {
		reply, err := w.runtime.Attach(ctx, &runtime.AttachRequest{ContainerId: id, Stdin: true, Stdout: true, Stderr: true})
		if err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, 3*time.Second)
		read, write := io.Pipe()
		out := &firstLine{seen: make(chan string, 1)}
		ended := make(chan error, 1)
		go func() {
			ended <- stream(limited, dial, reply.Url, remotecommand.StreamOptions{Stdin: read, Stdout: out, Stderr: io.Discard})
		}()
		go io.WriteString(write, word+"\n")
		select {
		case line := <-out.seen:
			err = expect("answer", line, "you said "+word)
		case err = <-ended:
			err = fmt.Errorf("the attachment ended: %w", err)
		case <-limited.Done():
			err = errors.New("no answer")
		}
		cancel()
		write.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// firstLine hands on the first line written to it.
type firstLine struct {
	text bytes.Buffer
	seen chan string
}

func (f *firstLine) Write(bytes []byte) (int, error) {
	f.text.Write(bytes)
	if line, err := f.text.ReadString('\n'); err == nil {
		select {
		case f.seen <- strings.TrimSpace(line):
		default:
		}
	} else {
		f.text.WriteString(line)
	}
	return len(bytes), nil
}

// forwardOver sends bytes through a forwarded port, and meets a port where nobody listens.
func forwardOver(webSocket bool) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		_, err := w.container(ctx, func(c *runtime.ContainerConfig) {
			c.Command = []string{"sh", "-c", "while :; do echo hello from the pod | busybox nc -l -p 8080; done"}
		})
		if err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
		reply, err := w.runtime.PortForward(ctx, &runtime.PortForwardRequest{PodSandboxId: w.sandbox, Port: []int32{8080}})
		if err != nil {
			return err
		}
		target, err := url.Parse(reply.Url)
		if err != nil {
			return err
		}
		dialer, err := forwardDialer(target, webSocket)
		if err != nil {
			return err
		}
		stop, ready := make(chan struct{}), make(chan struct{})
		defer close(stop)
		forwarder, err := portforward.NewForStreaming(dialer, []string{"0:8080"}, stop, ready, io.Discard, io.Discard)
		if err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- forwarder.ForwardPorts() }()
		select {
		case <-ready:
		case err := <-ended:
			return fmt.Errorf("forward: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
		ports, err := forwarder.GetPorts()
		if err != nil {
			return err
		}
		connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
		if err != nil {
			return err
		}
		defer connection.Close()
		connection.SetDeadline(time.Now().Add(5 * time.Second))
		buffer := make([]byte, 64)
		count, err := connection.Read(buffer)
		if err != nil {
			return err
		}
		return expect("answer", string(buffer[:count]), "hello from the pod\n")
	}
}

func forwardDialer(target *url.URL, webSocket bool) (httpstream.Dialer, error) {
	if webSocket {
		return portforward.NewSPDYOverWebsocketDialerForStreaming(target, &rest.Config{})
	}
	transport, upgrader, err := spdy.RoundTripperFor(&rest.Config{})
	if err != nil {
		return nil, err
	}
	return spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target), nil
}
