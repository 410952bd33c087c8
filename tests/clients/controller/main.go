// A controller on controller-runtime against the API server of KUBECONFIG: a manager that leads, a cache with an
// index, a reconciler, and its client's create, patch, apply and status. Prints one line per check.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	server "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	namespace = "clients-controller"
	patience  = 60 * time.Second
	finalizer = "corten.dev/mirrored"
)

// mirror keeps a Secret for each ConfigMap with the label `mirror`.
type mirror struct{ client.Client }

func (m *mirror) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	source := &corev1.ConfigMap{}
	if err := m.Get(ctx, request.NamespacedName, source); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if source.Labels["mirror"] == "" {
		return ctrl.Result{}, nil
	}
	before := source.DeepCopy()
	if !source.DeletionTimestamp.IsZero() {
		controllerutil.RemoveFinalizer(source, finalizer)
		return ctrl.Result{}, client.IgnoreNotFound(m.Patch(ctx, source, client.MergeFrom(before)))
	}
	if controllerutil.AddFinalizer(source, finalizer) {
		if err := m.Patch(ctx, source, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return ctrl.Result{}, err
		}
	}
	copied := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: source.Name, Namespace: source.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, m.Client, copied, func() error {
		copied.StringData = source.Data
		return controllerutil.SetControllerReference(source, copied, m.Scheme())
	})
	return ctrl.Result{}, err
}

func main() {
	log.SetLogger(zap.New(zap.WriteTo(os.Stderr), zap.Level(zapcore.ErrorLevel)))
	passed, err := run()
	failed := 0
	if err != nil {
		failed = 1
		fmt.Fprintf(os.Stderr, "FAILED: %v\n", err)
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	os.Exit(failed)
}

func run() (passed int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	config, err := ctrl.GetConfig()
	if err != nil {
		return 0, err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Metrics:          server.Options{BindAddress: "0"},
		LeaderElection:   true,
		LeaderElectionID: "clients-controller", LeaderElectionNamespace: "default",
		LeaderElectionReleaseOnCancel: true,
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
	})
	if err != nil {
		return 0, err
	}
	byColour := func(object client.Object) []string { return []string{object.(*corev1.ConfigMap).Data["colour"]} }
	if err := mgr.GetFieldIndexer().IndexField(ctx, &corev1.ConfigMap{}, "colour", byColour); err != nil {
		return 0, err
	}
	err = ctrl.NewControllerManagedBy(mgr).For(&corev1.ConfigMap{}).Owns(&corev1.Secret{}).Complete(&mirror{mgr.GetClient()})
	if err != nil {
		return 0, err
	}
	direct, err := client.New(config, client.Options{})
	if err != nil {
		return 0, err
	}
	if err := direct.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return 0, err
	}
	stop, ended := start(ctx, mgr)
	c := &checks{ctx, mgr, direct}
	for _, check := range []struct {
		name string
		run  func() error
	}{
		{"the manager leads", c.leads},
		{"an object is reconciled", c.reconciled},
		{"what was deleted comes back", c.comesBack},
		{"the cache has an index", c.indexed},
		{"apply", c.applied},
		{"status", c.status},
		{"a finalizer is taken away", c.finalized},
		{"the namespace goes", c.gone},
	} {
		begun := time.Now()
		if err := check.run(); err != nil {
			return passed, fmt.Errorf("%s: %w", check.name, err)
		}
		passed++
		fmt.Printf("ok   %s (%d ms)\n", check.name, time.Since(begun).Milliseconds())
	}
	stop()
	return passed, <-ended
}

// start runs the manager until it is stopped.
func start(ctx context.Context, mgr manager.Manager) (context.CancelFunc, <-chan error) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return stop, ended
}

type checks struct {
	context.Context
	mgr    manager.Manager
	direct client.Client
}

func eventually(what string, probe func() (bool, error)) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if done, err := probe(); err != nil || done {
			return err
		}
	}
	return fmt.Errorf("%s: not within %s", what, patience)
}

func (c *checks) leads() error {
	select {
	case <-c.mgr.Elected():
	case <-time.After(patience):
		return fmt.Errorf("not within %s", patience)
	}
	if !c.mgr.GetCache().WaitForCacheSync(c) {
		return fmt.Errorf("the cache does not fill")
	}
	return nil
}

func key(name string) client.ObjectKey { return client.ObjectKey{Namespace: namespace, Name: name} }

func (c *checks) mirrored(name, value string) error {
	return eventually("the Secret of "+name, func() (bool, error) {
		secret := &corev1.Secret{}
		if err := c.direct.Get(c, key(name), secret); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		return string(secret.Data["colour"]) == value && metav1.GetControllerOf(secret) != nil, nil
	})
}

func (c *checks) reconciled() error {
	source := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "one", Namespace: namespace, Labels: map[string]string{"mirror": "yes"}}, Data: map[string]string{"colour": "red"}}
	if err := c.direct.Create(c, source); err != nil {
		return err
	}
	if err := c.mirrored("one", "red"); err != nil {
		return err
	}
	if err := c.direct.Get(c, key("one"), source); err != nil {
		return err
	}
	before := source.DeepCopy()
	source.Data["colour"] = "blue"
	if err := c.direct.Patch(c, source, client.StrategicMergeFrom(before)); err != nil {
		return err
	}
	return c.mirrored("one", "blue")
}

func (c *checks) comesBack() error {
	if err := c.direct.Delete(c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "one", Namespace: namespace}}); err != nil {
		return err
	}
	return c.mirrored("one", "blue")
}

func (c *checks) indexed() error {
	return eventually("one blue object", func() (bool, error) {
		found := &corev1.ConfigMapList{}
		err := c.mgr.GetClient().List(c, found, client.InNamespace(namespace), client.MatchingFields{"colour": "blue"})
		return len(found.Items) == 1 && found.Items[0].Name == "one", err
	})
}

func (c *checks) applied() error {
	wanted := corev1ac.ConfigMap("two", namespace).WithLabels(map[string]string{"mirror": "yes"}).WithData(map[string]string{"colour": "green"})
	if err := c.direct.Apply(c, wanted, client.FieldOwner("clients"), client.ForceOwnership); err != nil {
		return err
	}
	return c.mirrored("two", "green")
}

func (c *checks) status() error {
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "quota", Namespace: namespace}}
	if err := c.direct.Create(c, quota); err != nil {
		return err
	}
	budget := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod", Namespace: namespace}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}
	err := eventually("a pod that may be made", func() (bool, error) {
		err := c.direct.Create(c, budget)
		return err == nil, client.IgnoreNotFound(ignoreForbidden(err))
	})
	if err != nil {
		return err
	}
	before := budget.DeepCopy()
	budget.Status.Message = "patched"
	if err := c.direct.Status().Patch(c, budget, client.MergeFrom(before)); err != nil {
		return err
	}
	if budget.Status.Message != "patched" {
		return fmt.Errorf("the status is %+v", budget.Status)
	}
	return nil
}

// ignoreForbidden: a namespace's service account may still be on its way.
func ignoreForbidden(err error) error {
	if apierrors.IsForbidden(err) {
		return nil
	}
	return err
}

func (c *checks) finalized() error {
	source := &corev1.ConfigMap{}
	if err := c.direct.Get(c, key("one"), source); err != nil {
		return err
	}
	if !controllerutil.ContainsFinalizer(source, finalizer) {
		return fmt.Errorf("no finalizer: %v", source.Finalizers)
	}
	if err := c.direct.Delete(c, source); err != nil {
		return err
	}
	return eventually("the end of both", func() (bool, error) {
		for _, object := range []client.Object{&corev1.ConfigMap{}, &corev1.Secret{}} {
			if err := c.direct.Get(c, key("one"), object); !apierrors.IsNotFound(err) {
				return false, err
			}
		}
		return true, nil
	})
}

func (c *checks) gone() error {
	if err := c.direct.Delete(c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	return eventually("the end of the namespace", func() (bool, error) {
		err := c.direct.Get(c, client.ObjectKey{Name: namespace}, &corev1.Namespace{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}
