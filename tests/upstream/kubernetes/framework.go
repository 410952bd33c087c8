package framework

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"corten.test/start"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/pkg/controlplane"
)

// TestServerSetup changes the options of a server. Its configuration cannot be changed from within a test: those
// that want to are left out.
type TestServerSetup struct {
	ModifyServerRunOptions func(*options.ServerRunOptions)
	ModifyServerConfig     func(*controlplane.Config)
}

// TearDownFunc ends a server.
type TearDownFunc func()

// audience and issuer of tokens, as upstream's tests expect them.
const issuer = "https://foo.bar.example.com"

// StartTestServer starts a server with the flags that the test's options differ from the usual ones by.
func StartTestServer(_ context.Context, t testing.TB, setup TestServerSetup) (kubernetes.Interface, *rest.Config, TearDownFunc) {
	t.Helper()
	if setup.ModifyServerConfig != nil {
		t.Skip("the server's configuration cannot be changed from here")
	}
	dir, err := os.MkdirTemp("", "corten-upstream")
	if err != nil {
		t.Fatal(err)
	}
	wanted := options.NewServerRunOptions()
	wanted.Authentication.APIAudiences = []string{issuer}
	wanted.Authentication.ServiceAccounts.Issuers = []string{issuer}
	wanted.Authorization.Modes = []string{"Node", "RBAC"}
	wanted.ServiceClusterIPRanges = "10.0.0.0/24"
	if setup.ModifyServerRunOptions != nil {
		setup.ModifyServerRunOptions(wanted)
	}
	flags, left := start.Known(changed(options.NewServerRunOptions(), wanted))
	t.Logf("flags that the server has not: %v", left)
	config, end, err := start.Server(filepath.Clean(dir), flags, true)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client, config, func() {
		end()
		_ = os.RemoveAll(dir)
	}
}

// changed gives the flags whose values differ between two options.
func changed(usual, wanted *options.ServerRunOptions) (flags []string) {
	before := map[string]string{}
	each(usual, func(flag *pflag.Flag) { before[flag.Name] = flag.Value.String() })
	each(wanted, func(flag *pflag.Flag) {
		if value := flag.Value.String(); value != before[flag.Name] {
			value = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
			flags = append(flags, "--"+flag.Name+"="+value)
		}
	})
	return flags
}

func each(of *options.ServerRunOptions, do func(*pflag.Flag)) {
	for _, set := range of.Flags().FlagSets {
		set.VisitAll(do)
	}
}
