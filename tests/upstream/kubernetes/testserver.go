// Package testing stands in for upstream's: its tests get the server that CORTEN names.
package testing

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"corten.test/start"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storageversion"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/test/utils/ktesting"
)

// TearDownFunc ends a server.
type TearDownFunc func()

// TestServerInstanceOptions are what tests set beside flags. Those of certificates and versions change nothing here.
type TestServerInstanceOptions struct {
	SkipHealthzCheck       bool
	EnableCertAuth         bool
	StorageVersionWrapFunc func(storageversion.Manager) storageversion.Manager
	ProxyCA                *ProxyCA
	BinaryVersion          string
	RequestTimeout         time.Duration
}

// ProxyCA signs the certificates of front proxies.
type ProxyCA struct {
	ProxySigningCert *x509.Certificate
	ProxySigningKey  *rsa.PrivateKey
}

// TestServer is a server, and how it is reached. There is no etcd.
type TestServer struct {
	ClientConfig      *rest.Config
	ServerOpts        *options.ServerRunOptions
	TearDownFn        TearDownFunc
	TmpDir            string
	EtcdClient        *clientv3.Client
	EtcdStoragePrefix string
}

// Logger is what tests and benchmarks say things with.
type Logger interface {
	Helper()
	Errorf(format string, args ...interface{})
	Fatalf(format string, args ...interface{})
	Logf(format string, args ...interface{})
	Cleanup(func())
}

// NewDefaultTestServerOptions gives what holds where a test says nothing.
func NewDefaultTestServerOptions() *TestServerInstanceOptions {
	return &TestServerInstanceOptions{EnableCertAuth: true}
}

// StartTestServer starts a server with those of upstream's flags that it has. As with upstream's, everybody may do
// everything unless a flag says who may.
func StartTestServer(t ktesting.TB, instance *TestServerInstanceOptions, flags []string, _ *storagebackend.Config) (TestServer, error) {
	if instance == nil {
		instance = NewDefaultTestServerOptions()
	}
	parsed := options.NewServerRunOptions()
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	set.ParseErrorsAllowlist.UnknownFlags = true
	for _, part := range parsed.Flags().FlagSets {
		set.AddFlagSet(part)
	}
	_ = set.Parse(flags)
	taken, left := start.Known(flags)
	t.Logf("flags that the server has not: %v", left)
	taken = start.Or(taken, "--authorization-", "--authorization-mode=AlwaysAllow")
	taken = start.Or(taken, "--service-cidr=", "--service-cidr=10.0.0.0/24")
	if instance.RequestTimeout > 0 {
		taken = append(taken, "--request-timeout="+instance.RequestTimeout.String())
	}
	dir, err := os.MkdirTemp("", "corten-upstream")
	if err != nil {
		return TestServer{}, err
	}
	config, end, err := start.Server(dir, taken, !instance.SkipHealthzCheck)
	if err != nil {
		return TestServer{}, errors.Join(err, os.RemoveAll(dir))
	}
	parsed.Authentication.ClientCert.ClientCA = filepath.Join(dir, "data", "pki", "ca.crt")
	down := func() {
		end()
		_ = os.RemoveAll(dir)
	}
	return TestServer{ClientConfig: config, ServerOpts: parsed, TearDownFn: down, TmpDir: dir}, nil
}

// StartTestServerOrDie is StartTestServer for tests that cannot do without.
func StartTestServerOrDie(t testing.TB, instance *TestServerInstanceOptions, flags []string, storage *storagebackend.Config) *TestServer {
	t.Helper()
	server, err := StartTestServer(t, instance, flags, storage)
	if err != nil {
		t.Fatalf("the server does not start: %v", err)
	}
	return &server
}

// GetEtcdClients fails: there is no etcd.
func GetEtcdClients(storagebackend.TransportConfig) (*clientv3.Client, clientv3.KV, error) {
	return nil, nil, errors.New("there is no etcd")
}
