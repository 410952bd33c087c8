// Package fixtures stands in for upstream's: its tests get the server that CORTEN names.
package fixtures

import (
	"errors"
	"os"

	"corten.test/start"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server/testing"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var errEtcd = errors.New("there is no etcd")

// StartDefaultServer starts a server in which objects may lie in namespaces that are not there, as in upstream's, which
// serves definitions alone.
func StartDefaultServer(t testing.Logger, flags ...string) (func(), *rest.Config, *options.CustomResourceDefinitionsServerOptions, error) {
	taken, left := start.Known(flags)
	t.Logf("flags that the server has not: %v", left)
	dir, err := os.MkdirTemp("", "corten-upstream")
	if err != nil {
		return nil, nil, nil, err
	}
	taken = append(taken, "--disable-admission-plugins=NamespaceLifecycle", "--authorization-mode=AlwaysAllow")
	config, end, err := start.Server(dir, taken, true)
	if err != nil {
		return nil, nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	down := func() {
		end()
		_ = os.RemoveAll(dir)
	}
	return down, config, nil, nil
}

// StartDefaultServerWithClients starts a server, and gives clients of definitions and of anything.
func StartDefaultServerWithClients(t testing.Logger, flags ...string) (func(), clientset.Interface, dynamic.Interface, error) {
	down, config, _, err := StartDefaultServer(t, flags...)
	if err != nil {
		return nil, nil, nil, err
	}
	definitions, err := clientset.NewForConfig(config)
	if err != nil {
		down()
		return nil, nil, nil, err
	}
	anything, err := dynamic.NewForConfig(config)
	if err != nil {
		down()
		return nil, nil, nil, err
	}
	return down, definitions, anything, nil
}

// StartDefaultServerWithConfigAccess fails: the server's configuration lies in another process.
func StartDefaultServerWithConfigAccess(testing.Logger, ...string) (func(), *rest.Config, apiserver.CompletedConfig, error) {
	return nil, nil, apiserver.CompletedConfig{}, errors.New("the server is another process")
}

// StartDefaultServerWithClientsAndEtcd fails: there is no etcd.
func StartDefaultServerWithClientsAndEtcd(testing.Logger, ...string) (func(), clientset.Interface, dynamic.Interface, *clientv3.Client, string, error) {
	return nil, nil, nil, nil, "", errEtcd
}

// IntegrationEtcdServers gives none.
func IntegrationEtcdServers() []string { return nil }
