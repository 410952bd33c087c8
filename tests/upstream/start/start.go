// Package start runs the server that upstream's tests are held against: the binary that CORTEN names, without
// controllers and scheduler, as the API server alone.
package start

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/featuregate"
)

// gates that both know. What a test switches in its own process is switched in the server, too.
var gates = []string{"CBORServingAndStorage", "MutatingAdmissionPolicy"}

// Whoever shows this may do everything, as with the token that upstream's server makes for itself.
const token = "loopback-token"

const patience = 60 * time.Second

// Server starts a server that keeps everything in dir, and waits until it is ready; unless the test wants to see
// how it is not. What is returned ends it.
func Server(dir string, flags []string, ready bool) (*rest.Config, func(), error) {
	port, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(dir, "data")
	args := []string{"server", "--data-dir", data, "--port", port, "--address", "127.0.0.1", "--controllers=", "--disable-scheduler"}
	own, err := withToken(filepath.Join(dir, "tokens.csv"), withGates(flags))
	if err != nil {
		return nil, nil, err
	}
	command := exec.Command(os.Getenv("CORTEN"), append(args, own...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, nil, err
	}
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		return nil, nil, err
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	end := func() {
		_ = command.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = command.Process.Kill()
			<-ended
		}
	}
	config, err := reach(filepath.Join(data, "kubeconfig"), ready, ended)
	if err != nil {
		end()
		text, _ := os.ReadFile(said.Name())
		return nil, nil, fmt.Errorf("%w: %s", err, text)
	}
	return config, end, nil
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

func reach(kubeconfig string, ready bool, ended <-chan struct{}) (*rest.Config, error) {
	var last error
	for begun := time.Now(); time.Since(begun) < patience; {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err == nil {
			config.QPS, config.Burst = 1000, 10000
			config.CertData, config.KeyData, config.BearerToken = nil, nil, token
			if err = isReady(config); err == nil || !ready {
				return config, nil
			}
		}
		last = err
		select {
		case <-ended:
			return nil, fmt.Errorf("the server ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("the server does not become ready: %w", last)
}

func isReady(config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(context.Background()).Error()
}

// withGates adds the gates that the test's process has switched; those that the server has not are left out.
func withGates(flags []string) []string {
	chosen := map[string]string{}
	for _, gate := range gates {
		chosen[gate] = strconv.FormatBool(feature.DefaultFeatureGate.Enabled(featuregate.Feature(gate)))
	}
	var rest []string
	for _, flag := range flags {
		name, value, _ := strings.Cut(flag, "=")
		if name != "--feature-gates" {
			rest = append(rest, flag)
			continue
		}
		for _, pair := range strings.Split(value, ",") {
			if gate, on, _ := strings.Cut(pair, "="); chosen[gate] != "" {
				chosen[gate] = on
			}
		}
	}
	var pairs []string
	for _, gate := range gates {
		pairs = append(pairs, gate+"="+chosen[gate])
	}
	return append(rest, "--feature-gates="+strings.Join(pairs, ","))
}

// withToken adds a file of tokens that holds ours beside those of the test.
func withToken(file string, flags []string) ([]string, error) {
	tokens := token + ",system:apiserver,apiserver,system:masters\n"
	var rest []string
	for _, flag := range flags {
		name, value, _ := strings.Cut(flag, "=")
		if name != "--token-auth-file" {
			rest = append(rest, flag)
			continue
		}
		text, err := os.ReadFile(value)
		if err != nil {
			return nil, err
		}
		tokens = strings.TrimRight(string(text), "\n") + "\n" + tokens
	}
	return append(rest, "--token-auth-file="+file), os.WriteFile(file, []byte(tokens), 0o600)
}
