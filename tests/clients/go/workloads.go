package main

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	port := intstr.FromString("http")
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "web", Image: "example.com/web:1",
					Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 80}},
					ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: port}}},
					Resources:      corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}},
				}}},
			},
		},
	}
}

func (s *suite) pods(app string) ([]corev1.Pod, error) {
	list, err := s.CoreV1().Pods(s.namespace).List(s, metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func (s *suite) deploymentLife() error {
	deployments := s.AppsV1().Deployments(s.namespace)
	made, err := deployments.Create(s, deployment("life", 2), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	web := made.Spec.Template.Spec.Containers[0]
	if err := all(
		expect("strategy", made.Spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType),
		expect("max surge", made.Spec.Strategy.RollingUpdate.MaxSurge.String(), "25%"),
		expect("probe's scheme", web.ReadinessProbe.HTTPGet.Scheme, corev1.URISchemeHTTP),
		expect("probe's port", web.ReadinessProbe.HTTPGet.Port.StrVal, "http"),
		expect("request", web.Resources.Requests.Cpu().String(), "100m"),
	); err != nil {
		return err
	}
	if err := eventually("two pods", func() (bool, error) {
		pods, err := s.pods("life")
		return len(pods) == 2, err
	}); err != nil {
		return err
	}
	sidecar := `{"spec":{"template":{"spec":{"containers":[{"name":"log","image":"example.com/log:1"}]}}}}`
	patched, err := deployments.Patch(s, "life", types.StrategicMergePatchType, []byte(sidecar), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	if err := expect("containers after a strategic merge", len(patched.Spec.Template.Spec.Containers), 2); err != nil {
		return err
	}
	if err := eventually("a second ReplicaSet", func() (bool, error) {
		sets, err := s.AppsV1().ReplicaSets(s.namespace).List(s, metav1.ListOptions{LabelSelector: "app=life"})
		if err != nil {
			return false, err
		}
		return len(sets.Items) == 2, nil
	}); err != nil {
		return err
	}
	if err := eventually("status follows", func() (bool, error) {
		now, err := deployments.Get(s, "life", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		return now.Status.ObservedGeneration == now.Generation && now.Status.UpdatedReplicas > 0, nil
	}); err != nil {
		return err
	}
	foreground := metav1.DeletePropagationForeground
	if err := deployments.Delete(s, "life", metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		return err
	}
	if err := eventually("the deployment is gone", func() (bool, error) {
		_, err := deployments.Get(s, "life", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	}); err != nil {
		return err
	}
	left, err := s.pods("life")
	return all(err, expect("pods after a foreground deletion", len(left), 0))
}

func (s *suite) scale() error {
	deployments := s.AppsV1().Deployments(s.namespace)
	if _, err := deployments.Create(s, deployment("scaled", 0), metav1.CreateOptions{}); err != nil {
		return err
	}
	// The controller writes the status meanwhile: a conflict is right, and tried again.
	if err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		scale, err := deployments.GetScale(s, "scaled", metav1.GetOptions{})
		if err != nil {
			return err
		}
		scale.Spec.Replicas = 3
		_, err = deployments.UpdateScale(s, "scaled", scale, metav1.UpdateOptions{})
		return err
	}); err != nil {
		return err
	}
	if err := eventually("three pods", func() (bool, error) {
		pods, err := s.pods("scaled")
		return len(pods) == 3, err
	}); err != nil {
		return err
	}
	return deployments.Delete(s, "scaled", metav1.DeleteOptions{})
}

func (s *suite) dynamic() error {
	client, err := dynamic.NewForConfig(s.config)
	if err != nil {
		return err
	}
	maps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(s.namespace)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "dynamic"}, "data": map[string]any{"a": "1"},
	}}
	made, err := maps.Create(s, object, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	a, _, err := unstructured.NestedString(made.Object, "data", "a")
	return all(err, expect("data", a, "1"))
}

func (s *suite) token() error {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}
	if _, err := s.CoreV1().ServiceAccounts(s.namespace).Create(s, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	request, err := s.CoreV1().ServiceAccounts(s.namespace).CreateToken(s, "robot", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	config := rest.AnonymousClientConfig(s.config)
	config.BearerToken = request.Status.Token
	robot, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	review, err := robot.AuthenticationV1().SelfSubjectReviews().Create(s, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := expect("user", review.Status.UserInfo.Username, fmt.Sprintf("system:serviceaccount:%s:robot", s.namespace)); err != nil {
		return err
	}
	if _, err := robot.CoreV1().Pods(s.namespace).List(s, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		return fmt.Errorf("list of pods without a right: %v", err)
	}
	return nil
}
