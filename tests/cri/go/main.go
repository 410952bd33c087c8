// A container runtime driven by upstream's own code: calls through k8s.io/cri-api, streams through client-go,
// as kubelet and kubectl use them.
//
//	cri NAME SOCKET IMAGE CGROUP   prints "ok" lines, and what differs; fails on a difference without a reason
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// explained says which checks a runtime does not pass, and why.
var explained = map[string]map[string]string{
	"containerd": {
		"exec over WebSocket":     "containerd 1.6 serves SPDY alone",
		"attach over WebSocket":   "containerd 1.6 serves SPDY alone",
		"forward over WebSocket":  "containerd 1.6 serves SPDY alone",
		"terminal over WebSocket": "containerd 1.6 serves SPDY alone",
		"events":                  "containerd 1.6 has no events",
	},
}

type world struct {
	runtime runtime.RuntimeServiceClient
	images  runtime.ImageServiceClient
	image   string
	cgroup  string
	dir     string
	sandbox string
	config  *runtime.PodSandboxConfig
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 5 {
		log.Fatal("usage: cri NAME SOCKET IMAGE CGROUP")
	}
	name := os.Args[1]
	connection, err := grpc.NewClient("unix://"+os.Args[2], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "cri-go")
	if err != nil {
		log.Fatal(err)
	}
	w := &world{
		runtime: runtime.NewRuntimeServiceClient(connection),
		images:  runtime.NewImageServiceClient(connection),
		image:   os.Args[3], cgroup: os.Args[4], dir: dir,
	}
	unexplained := w.checkAll(name)
	if err := w.clean(); err != nil {
		fmt.Printf("FAILED  clean up: %v\n", err)
		unexplained++
	}
	os.RemoveAll(dir)
	fmt.Printf("%s: %d unexplained differences\n", name, unexplained)
	if unexplained > 0 {
		os.Exit(1)
	}
}

func (w *world) checkAll(name string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := w.start(ctx); err != nil {
		fmt.Printf("FAILED  start: %v\n", err)
		return 1
	}
	unexplained := 0
	for _, check := range checks {
		limited, cancel := context.WithTimeout(ctx, 15*time.Second)
		err := check.run(limited, w)
		cancel()
		why := explained[name][check.name]
		switch {
		case err == nil && why == "":
			fmt.Printf("ok      %s\n", check.name)
		case err == nil:
			fmt.Printf("FAILED  %s: passes, though a reason says that it does not: %s\n", check.name, why)
			unexplained++
		case why != "":
			fmt.Printf("differs %s: %s\n", check.name, why)
		default:
			fmt.Printf("FAILED  %s: %v\n", check.name, err)
			unexplained++
		}
	}
	return unexplained
}

// start pulls the image and runs a sandbox.
func (w *world) start(ctx context.Context) error {
	_, err := w.images.PullImage(ctx, &runtime.PullImageRequest{Image: &runtime.ImageSpec{Image: w.image}})
	if err != nil {
		return fmt.Errorf("pull %s: %w", w.image, err)
	}
	w.config = &runtime.PodSandboxConfig{
		Metadata:     &runtime.PodSandboxMetadata{Name: "go", Namespace: "suite", Uid: filepath.Base(w.dir)},
		Hostname:     "go",
		LogDirectory: w.dir,
		Linux:        &runtime.LinuxPodSandboxConfig{CgroupParent: w.cgroup + "/go"},
	}
	reply, err := w.runtime.RunPodSandbox(ctx, &runtime.RunPodSandboxRequest{Config: w.config})
	if err != nil {
		return fmt.Errorf("run a sandbox: %w", err)
	}
	w.sandbox = reply.PodSandboxId
	return nil
}

// container starts a container.
func (w *world) container(ctx context.Context, change func(*runtime.ContainerConfig)) (string, error) {
	config := &runtime.ContainerConfig{
		Metadata: &runtime.ContainerMetadata{Name: fmt.Sprintf("c%d", time.Now().UnixNano())},
		Image:    &runtime.ImageSpec{Image: w.image},
		Command:  []string{"sleep", "3600"},
		Linux:    &runtime.LinuxContainerConfig{},
	}
	config.LogPath = config.Metadata.Name + ".log"
	change(config)
	created, err := w.runtime.CreateContainer(ctx, &runtime.CreateContainerRequest{
		PodSandboxId: w.sandbox, Config: config, SandboxConfig: w.config,
	})
	if err != nil {
		return "", fmt.Errorf("create a container: %w", err)
	}
	_, err = w.runtime.StartContainer(ctx, &runtime.StartContainerRequest{ContainerId: created.ContainerId})
	if err != nil {
		return "", fmt.Errorf("start a container: %w", err)
	}
	return created.ContainerId, nil
}

func (w *world) clean() error {
	if w.sandbox == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, stop := w.runtime.StopPodSandbox(ctx, &runtime.StopPodSandboxRequest{PodSandboxId: w.sandbox})
	_, remove := w.runtime.RemovePodSandbox(ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: w.sandbox})
	return errors.Join(stop, remove)
}

// expect fails with both values unless they are equal.
func expect[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: %v, not %v", what, got, want)
	}
	return nil
}
