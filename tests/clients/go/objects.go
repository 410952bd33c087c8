package main

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/pager"
)

func configMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}},
		Data:       data,
	}
}

func (s *suite) discovery() error {
	version, err := s.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	if err := all(expect("major", version.Major, "1"), expect("minor", version.Minor, "35")); err != nil {
		return err
	}
	groups, lists, err := s.Discovery().ServerGroupsAndResources()
	if err != nil {
		return err
	}
	if len(groups) < 10 {
		return fmt.Errorf("%d groups", len(groups))
	}
	found := map[string]bool{}
	for _, list := range lists {
		for _, resource := range list.APIResources {
			found[list.GroupVersion+"/"+resource.Name] = true
		}
	}
	for _, want := range []string{"v1/pods", "v1/pods/log", "v1/configmaps", "apps/v1/deployments", "apps/v1/deployments/scale", "batch/v1/jobs"} {
		if !found[want] {
			return fmt.Errorf("no %s", want)
		}
	}
	return nil
}

func (s *suite) configMapLife() error {
	maps := s.CoreV1().ConfigMaps(s.namespace)
	made, err := maps.Create(s, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "life-"},
		Data:       map[string]string{"a": "1"},
		BinaryData: map[string][]byte{"b": {0, 1, 0xff}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	read, err := maps.Get(s, made.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := all(
		expect("uid", read.UID, made.UID),
		expect("binary data", string(read.BinaryData["b"]), "\x00\x01\xff"),
		expect("creation time is set", read.CreationTimestamp.IsZero(), false),
		expect("name is made", len(made.Name), len("life-")+5),
	); err != nil {
		return err
	}
	read.Data["a"] = "2"
	updated, err := maps.Update(s, read, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	if err := expect("data", updated.Data["a"], "2"); err != nil {
		return err
	}
	if _, err := maps.Update(s, read, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("update of a stale object: %v", err)
	}
	stale := types.UID("another")
	err = maps.Delete(s, made.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &stale}})
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("delete of another UID: %v", err)
	}
	if err := maps.Delete(s, made.Name, *metav1.NewDeleteOptions(0)); err != nil {
		return err
	}
	if _, err := maps.Get(s, made.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("get of a deleted object: %v", err)
	}
	return nil
}

func (s *suite) refusals() error {
	maps := s.CoreV1().ConfigMaps(s.namespace)
	if _, err := maps.Create(s, configMap("once", nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	if _, err := maps.Create(s, configMap("once", nil), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create twice: %v", err)
	}
	_, err := maps.Create(s, configMap("Bad_Name", nil), metav1.CreateOptions{})
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		return fmt.Errorf("bad name: %v", err)
	}
	details := status.Status().Details
	if details == nil || len(details.Causes) != 1 || details.Causes[0].Field != "metadata.name" {
		return fmt.Errorf("bad name: details %+v", details)
	}
	_, err = s.CoreV1().ConfigMaps("no-such-namespace").Create(s, configMap("lost", nil), metav1.CreateOptions{})
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("no namespace: %v", err)
	}
	_, err = maps.List(s, metav1.ListOptions{FieldSelector: "data.a=1"})
	if !apierrors.IsBadRequest(err) {
		return fmt.Errorf("unknown field selector: %v", err)
	}
	if _, err := maps.Create(s, configMap("dry", nil), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		return err
	}
	if _, err := maps.Get(s, "dry", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("a dry run was kept: %v", err)
	}
	return nil
}

func (s *suite) patches() error {
	maps := s.CoreV1().ConfigMaps(s.namespace)
	if _, err := maps.Create(s, configMap("patched", map[string]string{"a": "1"}), metav1.CreateOptions{}); err != nil {
		return err
	}
	var last *corev1.ConfigMap
	for _, step := range []struct {
		form types.PatchType
		body string
	}{
		{types.MergePatchType, `{"data":{"a":null,"merge":"1"}}`},
		{types.StrategicMergePatchType, `{"data":{"strategic":"1"}}`},
		{types.JSONPatchType, `[{"op":"add","path":"/data/json","value":"1"}]`},
	} {
		var err error
		if last, err = maps.Patch(s, "patched", step.form, []byte(step.body), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("%s: %w", step.form, err)
		}
	}
	var keys []string
	for key := range last.Data {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return expect("keys", fmt.Sprint(keys), "[json merge strategic]")
}

func (s *suite) pages() error {
	maps := s.CoreV1().ConfigMaps(s.namespace)
	for i := range 25 {
		object := configMap(fmt.Sprintf("page-%02d", i), nil)
		object.Labels["suite"] = "pages"
		if _, err := maps.Create(s, object, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	options := metav1.ListOptions{LabelSelector: "suite=pages", Limit: 10}
	first, err := maps.List(s, options)
	if err != nil {
		return err
	}
	if err := all(
		expect("items of a page", len(first.Items), 10),
		expect("there is more", first.Continue != "", true),
	); err != nil {
		return err
	}
	count := 0
	err = pager.New(pager.SimplePageFunc(func(o metav1.ListOptions) (runtime.Object, error) {
		return maps.List(s, o)
	})).EachListItem(s, options, func(runtime.Object) error { count++; return nil })
	if err != nil {
		return err
	}
	if err := expect("all pages", count, 25); err != nil {
		return err
	}
	if err := maps.DeleteCollection(s, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "suite=pages"}); err != nil {
		return err
	}
	left, err := maps.List(s, metav1.ListOptions{LabelSelector: "suite=pages"})
	if err != nil {
		return err
	}
	return expect("left", len(left.Items), 0)
}
