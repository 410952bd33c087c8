package main

import (
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

func next(w watch.Interface) (watch.Event, error) {
	select {
	case event, open := <-w.ResultChan():
		if !open {
			return event, fmt.Errorf("the watch ended")
		}
		return event, nil
	case <-time.After(patience):
		return watch.Event{}, fmt.Errorf("no event within %s", patience)
	}
}

func (s *suite) watch() error {
	maps := s.CoreV1().ConfigMaps(s.namespace)
	list, err := maps.List(s, metav1.ListOptions{})
	if err != nil {
		return err
	}
	w, err := maps.Watch(s, metav1.ListOptions{ResourceVersion: list.ResourceVersion, LabelSelector: "name=watched"})
	if err != nil {
		return err
	}
	defer w.Stop()
	if _, err := maps.Create(s, configMap("unwatched", nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	if _, err := maps.Create(s, configMap("watched", nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	steps := []string{`{"data":{"a":"1"}}`, `{"metadata":{"labels":{"name":"hidden"}}}`, `{"metadata":{"labels":{"name":"watched"}}}`}
	for _, patch := range steps {
		if _, err := maps.Patch(s, "watched", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			return err
		}
	}
	if err := maps.Delete(s, "watched", metav1.DeleteOptions{}); err != nil {
		return err
	}
	// An object that leaves the selection is deleted for this watch, and added when it comes back.
	for i, want := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted, watch.Added, watch.Deleted} {
		event, err := next(w)
		if err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
		object, ok := event.Object.(*corev1.ConfigMap)
		if !ok {
			return fmt.Errorf("event %d: %T %+v", i, event.Object, event.Object)
		}
		if err := all(expect("event", event.Type, want), expect("object", object.Name, "watched")); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	return nil
}

func (s *suite) revisions() error {
	// Without retries: the client would repeat what the server says is worth repeating.
	err := s.CoreV1().RESTClient().Get().Namespace(s.namespace).Resource("configmaps").Name("once").
		Param("resourceVersion", "999999999").MaxRetries(0).Do(s).Error()
	if !apierrors.IsTimeout(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
		return fmt.Errorf("get from the future: %v", err)
	}
	maps := s.CoreV1().ConfigMaps(s.namespace)
	first, err := maps.List(s, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if _, err := maps.Create(s, configMap("newer", nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	past, err := maps.List(s, metav1.ListOptions{
		ResourceVersion: first.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact})
	if err != nil {
		return err
	}
	if err := expect("items at an older revision", len(past.Items), len(first.Items)); err != nil {
		return err
	}
	seconds := int64(1)
	w, err := maps.Watch(s, metav1.ListOptions{
		TimeoutSeconds: &seconds, ResourceVersion: "0", LabelSelector: "no=one", AllowWatchBookmarks: true})
	if err != nil {
		return err
	}
	for event := range w.ResultChan() {
		if event.Type != watch.Bookmark {
			return fmt.Errorf("a watch of nothing: %+v", event)
		}
	}
	return nil
}

// initialEvents asks for a list as a watch: what there is, a bookmark that says so, then what happens.
func (s *suite) initialEvents() error {
	yes := true
	w, err := s.CoreV1().ConfigMaps(s.namespace).Watch(s, metav1.ListOptions{
		SendInitialEvents: &yes, AllowWatchBookmarks: true, LabelSelector: "name=once",
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		return err
	}
	defer w.Stop()
	added, err := next(w)
	if err != nil {
		return err
	}
	end, err := next(w)
	if err != nil {
		return err
	}
	object, ok := end.Object.(*corev1.ConfigMap)
	if !ok {
		return fmt.Errorf("bookmark: %T", end.Object)
	}
	return all(
		expect("first event", added.Type, watch.Added),
		expect("second event", end.Type, watch.Bookmark),
		expect("annotation", object.Annotations[metav1.InitialEventsAnnotationKey], "true"),
	)
}

func (s *suite) sharedInformers() error {
	maps := s.CoreV1().ConfigMaps(s.namespace)
	for i := range 5 {
		if _, err := maps.Create(s, configMap(fmt.Sprintf("informed-%d", i), nil), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(s, 0, informers.WithNamespace(s.namespace))
	var added, updated, deleted atomic.Int32
	informer := factory.Core().V1().ConfigMaps()
	_, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		UpdateFunc: func(any, any) { updated.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	})
	if err != nil {
		return err
	}
	// Started with the others: kinds of every shape, most without objects.
	for _, of := range []cache.SharedIndexInformer{
		factory.Core().V1().Pods().Informer(), factory.Core().V1().Services().Informer(),
		factory.Core().V1().Secrets().Informer(), factory.Core().V1().Events().Informer(),
		factory.Apps().V1().Deployments().Informer(), factory.Apps().V1().ReplicaSets().Informer(),
		factory.Discovery().V1().EndpointSlices().Informer(), factory.Coordination().V1().Leases().Informer(),
		factory.Batch().V1().Jobs().Informer(), factory.Networking().V1().Ingresses().Informer(),
	} {
		if of == nil {
			return fmt.Errorf("no informer")
		}
	}
	stop := make(chan struct{})
	defer factory.Shutdown()
	defer close(stop)
	factory.Start(stop)
	limit := make(chan struct{})
	timer := time.AfterFunc(patience, func() { close(limit) })
	defer timer.Stop()
	for kind, synced := range factory.WaitForCacheSync(limit) {
		if !synced {
			return fmt.Errorf("%v is not synced", kind)
		}
	}
	before, err := maps.List(s, metav1.ListOptions{})
	if err != nil {
		return err
	}
	cached, err := informer.Lister().ConfigMaps(s.namespace).List(labels.Everything())
	if err != nil {
		return err
	}
	if err := expect("objects in the cache", len(cached), len(before.Items)); err != nil {
		return err
	}
	if _, err := maps.Patch(s, "informed-1", types.MergePatchType, []byte(`{"data":{"a":"1"}}`), metav1.PatchOptions{}); err != nil {
		return err
	}
	if err := maps.Delete(s, "informed-2", metav1.DeleteOptions{}); err != nil {
		return err
	}
	if _, err := maps.Create(s, configMap("informed-late", nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	want := int32(len(before.Items) + 1)
	return eventually("the informer sees all changes", func() (bool, error) {
		return added.Load() == want && updated.Load() == 1 && deleted.Load() == 1, nil
	})
}
