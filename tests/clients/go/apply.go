package main

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// apply has two managers own fields of one object: what is shared is refused, taken by force, and let go.
func (s *suite) apply() error {
	maps := s.CoreV1().ConfigMaps(s.namespace)
	wanted := func(data map[string]string) *corev1ac.ConfigMapApplyConfiguration {
		return corev1ac.ConfigMap("applied", s.namespace).WithData(data)
	}
	first := metav1.ApplyOptions{FieldManager: "first"}
	made, err := maps.Apply(s, wanted(map[string]string{"a": "1", "b": "1"}), first)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := expect("managers", len(made.ManagedFields), 1); err != nil {
		return err
	}
	second := metav1.ApplyOptions{FieldManager: "second"}
	_, err = maps.Apply(s, wanted(map[string]string{"b": "2"}), second)
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `conflict with "first": .data.b`) {
		return fmt.Errorf("a conflict, not %v", err)
	}
	second.Force = true
	if _, err = maps.Apply(s, wanted(map[string]string{"b": "2", "c": "2"}), second); err != nil {
		return fmt.Errorf("by force: %w", err)
	}
	left, err := maps.Apply(s, wanted(map[string]string{}), first)
	if err != nil {
		return fmt.Errorf("let go: %w", err)
	}
	if err := all(expect("a", left.Data["a"], ""), expect("b", left.Data["b"], "2"), expect("c", left.Data["c"], "2")); err != nil {
		return err
	}
	own, err := corev1ac.ExtractConfigMap(left, "second")
	if err != nil {
		return fmt.Errorf("extract: %w", err)
	}
	return expect("what the second owns", fmt.Sprint(own.Data), "map[b:2 c:2]")
}
