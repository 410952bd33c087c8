// A device plugin on upstream's API: offers devices of example.com/widget, whose health follows a file.
//
//	deviceplugin DIR COUNT: registers at DIR/kubelet.sock, and again when that is made anew
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const resource = "example.com/widget"

type plugin struct {
	api.UnimplementedDevicePluginServer
	dir   string
	count int
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{PreStartRequired: true, GetPreferredAllocationAvailable: true}, nil
}

// A file DIR/sick-N makes device N unhealthy.
func (p *plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	before := ""
	for {
		devices := []*api.Device{}
		for i := 0; i < p.count; i++ {
			health := api.Healthy
			if _, err := os.Stat(filepath.Join(p.dir, fmt.Sprintf("sick-%d", i))); err == nil {
				health = api.Unhealthy
			}
			devices = append(devices, &api.Device{ID: fmt.Sprintf("w%d", i), Health: health})
		}
		if now := fmt.Sprint(devices); now != before {
			before = now
			if err := stream.Send(&api.ListAndWatchResponse{Devices: devices}); err != nil {
				return err
			}
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// The last ones are liked best.
func (p *plugin) GetPreferredAllocation(_ context.Context, r *api.PreferredAllocationRequest) (*api.PreferredAllocationResponse, error) {
	out := &api.PreferredAllocationResponse{}
	for _, c := range r.ContainerRequests {
		ids := c.AvailableDeviceIDs
		out.ContainerResponses = append(out.ContainerResponses, &api.ContainerPreferredAllocationResponse{
			DeviceIDs: ids[len(ids)-int(c.AllocationSize):],
		})
	}
	return out, nil
}

func (p *plugin) Allocate(_ context.Context, r *api.AllocateRequest) (*api.AllocateResponse, error) {
	out := &api.AllocateResponse{}
	for _, c := range r.ContainerRequests {
		out.ContainerResponses = append(out.ContainerResponses, &api.ContainerAllocateResponse{
			Envs:    map[string]string{"WIDGETS": fmt.Sprint(c.DevicesIds)},
			Mounts:  []*api.Mount{{ContainerPath: "/widgets", HostPath: p.dir, ReadOnly: true}},
			Devices: []*api.DeviceSpec{{ContainerPath: "/dev/widget", HostPath: "/dev/zero", Permissions: "r"}},
		})
	}
	return out, nil
}

func (p *plugin) PreStartContainer(_ context.Context, r *api.PreStartContainerRequest) (*api.PreStartContainerResponse, error) {
	return &api.PreStartContainerResponse{}, os.WriteFile(filepath.Join(p.dir, "prestarted"), []byte(fmt.Sprint(r.DevicesIds)), 0o644)
}

func (p *plugin) serve() *grpc.Server {
	socket := filepath.Join(p.dir, "widget.sock")
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, p)
	go server.Serve(listener)
	return server
}

func (p *plugin) register() error {
	conn, err := grpc.NewClient("unix://"+filepath.Join(p.dir, "kubelet.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = api.NewRegistrationClient(conn).Register(ctx, &api.RegisterRequest{
		Version: api.Version, Endpoint: "widget.sock", ResourceName: resource,
	})
	return err
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	p := &plugin{dir: os.Args[1], count: count}
	var known os.FileInfo
	var server *grpc.Server
	for {
		socket, err := os.Stat(filepath.Join(p.dir, "kubelet.sock"))
		if err == nil && (known == nil || !os.SameFile(known, socket) || !known.ModTime().Equal(socket.ModTime())) {
			if server != nil {
				server.Stop()
			}
			server = p.serve()
			if err := p.register(); err != nil {
				log.Print(err)
			} else {
				known = socket
				log.Print("registered")
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
}
