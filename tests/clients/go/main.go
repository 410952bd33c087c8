// The Go client against the API server of KUBECONFIG: typed client, watches, shared informers, patches,
// deletions; once speaking JSON and once protobuf. Prints one line per check and fails on the first difference.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const patience = 30 * time.Second

// suite is one run of all checks in one content type and a namespace of its own.
type suite struct {
	context.Context
	*kubernetes.Clientset
	config    *rest.Config
	namespace string
}

func main() {
	// Elections tell of themselves.
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	passed, failed := 0, 0
	for name, contentType := range map[string]string{"json": runtime.ContentTypeJSON, "protobuf": runtime.ContentTypeProtobuf} {
		p, err := run("clients-go-"+name, contentType)
		passed += p
		if err != nil {
			failed++
			fmt.Fprintf(os.Stderr, "%s: FAILED: %v\n", name, err)
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

func run(namespace, contentType string) (passed int, err error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return 0, err
	}
	config.ContentType = contentType
	config.AcceptContentTypes = contentType
	config.QPS = -1
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	s := &suite{ctx, clientset, config, namespace}
	if err := s.createNamespace(); err != nil {
		return 0, fmt.Errorf("create namespace: %w", err)
	}
	for _, check := range []struct {
		name string
		run  func() error
	}{
		{"discovery", s.discovery},
		{"ConfigMap life", s.configMapLife},
		{"refusals", s.refusals},
		{"patches", s.patches},
		{"server-side apply", s.apply},
		{"leader election", s.election},
		{"pages", s.pages},
		{"watch", s.watch},
		{"revisions", s.revisions},
		{"initial events", s.initialEvents},
		{"shared informers", s.sharedInformers},
		{"Deployment life", s.deploymentLife},
		{"scale", s.scale},
		{"dynamic client", s.dynamic},
		{"token", s.token},
		{"namespace goes", s.deleteNamespace},
	} {
		begun := time.Now()
		if err := check.run(); err != nil {
			return passed, fmt.Errorf("%s: %w", check.name, err)
		}
		passed++
		fmt.Printf("ok   %s: %s (%d ms)\n", namespace, check.name, time.Since(begun).Milliseconds())
	}
	return passed, nil
}

func (s *suite) createNamespace() error {
	_, err := s.CoreV1().Namespaces().Create(s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}, metav1.CreateOptions{})
	return err
}

func (s *suite) deleteNamespace() error {
	if err := s.CoreV1().Namespaces().Delete(s, s.namespace, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return eventually("the namespace is gone", func() (bool, error) {
		_, err := s.CoreV1().Namespaces().Get(s, s.namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

// eventually asks until the answer is yes, at most for as long as patience lasts.
func eventually(what string, probe func() (bool, error)) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done, err := probe(); err != nil || done {
			return err
		}
	}
	return fmt.Errorf("%s: not within %s", what, patience)
}

// expect compares what came with what should have come.
func expect[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
	return nil
}

// all gives the first error of several.
func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
