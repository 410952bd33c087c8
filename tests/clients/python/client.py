"""The Python client (PyPI `kubernetes`) against the API server of KUBECONFIG: create, watch, patch, apply, lead."""

import logging
import queue
import sys
import threading
import time
import traceback
import unittest

from kubernetes import client, config, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import BadRequestError, ConflictError
from kubernetes.informer import SharedInformer
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

NAMESPACE = "clients-python"


def deployment(name, replicas=2):
    labels = {"app": name}
    return client.V1Deployment(
        metadata=client.V1ObjectMeta(name=name, labels=labels),
        spec=client.V1DeploymentSpec(
            replicas=replicas,
            selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels),
                spec=client.V1PodSpec(
                    containers=[client.V1Container(name="web", image="example.com/web:1")]
                ),
            ),
        ),
    )


def config_map(name, data=None, labels=None):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels=labels), data=data or {"a": "1"})


def eventually(what, probe, seconds=30):
    """Waits until `probe` gives something true, and returns that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = probe()
        if got:
            return got
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


class Suite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        config.load_kube_config()
        cls.core = client.CoreV1Api()
        cls.apps = client.AppsV1Api()
        cls.core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))

    @classmethod
    def tearDownClass(cls):
        cls.core.delete_namespace(NAMESPACE)

        def gone():
            try:
                cls.core.read_namespace(NAMESPACE)
            except ApiException as error:
                return error.status == 404
            return False

        eventually("the namespace goes away", gone)

    def refused(self, status, call, *args, **kwargs):
        with self.assertRaises(ApiException) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        return caught.exception

    def test_version_and_discovery(self):
        version = client.VersionApi().get_code()
        self.assertEqual((version.major, version.minor), ("1", "35"))
        groups = {group.name for group in client.ApisApi().get_api_versions().groups}
        self.assertLessEqual({"apps", "batch", "rbac.authorization.k8s.io"}, groups)
        kinds = {r.name for r in self.core.get_api_resources().resources}
        self.assertLessEqual({"pods", "pods/log", "configmaps", "services", "nodes"}, kinds)

    def test_config_map_life(self):
        made = self.core.create_namespaced_config_map(NAMESPACE, config_map("life"))
        self.assertTrue(made.metadata.uid and made.metadata.resource_version)
        self.assertIsNotNone(made.metadata.creation_timestamp.tzinfo)
        error = self.refused(409, self.core.create_namespaced_config_map, NAMESPACE, config_map("life"))
        self.assertIn("AlreadyExists", error.body)
        read = self.core.read_namespaced_config_map("life", NAMESPACE)
        self.assertEqual(read.data, {"a": "1"})

        read.data["b"] = "2"
        replaced = self.core.replace_namespaced_config_map("life", NAMESPACE, read)
        self.assertNotEqual(replaced.metadata.resource_version, made.metadata.resource_version)
        self.assertIn("Conflict", self.refused(
            409, self.core.replace_namespaced_config_map, "life", NAMESPACE, made).body)

        status = self.core.delete_namespaced_config_map("life", NAMESPACE)
        self.assertEqual((status["status"], status["details"]["kind"]), ("Success", "configmaps"))
        self.refused(404, self.core.read_namespaced_config_map, "life", NAMESPACE)

    def test_invalid_objects(self):
        error = self.refused(422, self.core.create_namespaced_config_map, NAMESPACE, config_map("Not_A_Name"))
        self.assertIn("metadata.name", error.body)
        wrong = deployment("wrong")
        wrong.spec.template.metadata.labels = {"other": "label"}
        error = self.refused(422, self.apps.create_namespaced_deployment, NAMESPACE, wrong)
        self.assertIn("`selector` does not match template `labels`", error.body)
        # The typed API checks names of fields itself, the dynamic one leaves it to the server.
        maps = DynamicClient(client.ApiClient()).resources.get(api_version="v1", kind="ConfigMap")
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "strict"}, "dtaa": {}}
        with self.assertRaises(BadRequestError) as caught:
            maps.create(body=body, namespace=NAMESPACE, query_params=[("fieldValidation", "Strict")])
        self.assertIn('unknown field \\"dtaa\\"', caught.exception.body)

    def test_patches(self):
        self.core.create_namespaced_config_map(NAMESPACE, config_map("patched", {"a": "1", "b": "2"}))
        # A dict is sent as a strategic merge patch, a list as a JSON patch.
        got = self.core.patch_namespaced_config_map("patched", NAMESPACE, {"data": {"a": None, "c": "3"}})
        self.assertEqual(got.data, {"b": "2", "c": "3"})
        got = self.core.patch_namespaced_config_map(
            "patched", NAMESPACE, [{"op": "replace", "path": "/data/c", "value": "4"}])
        self.assertEqual(got.data["c"], "4")
        got = self.core.patch_namespaced_config_map(
            "patched", NAMESPACE, {"metadata": {"annotations": {"x": "y"}}},
            _content_type="application/merge-patch+json")
        self.assertEqual(got.metadata.annotations, {"x": "y"})
        self.refused(422, self.core.patch_namespaced_config_map, "patched", NAMESPACE,
                     [{"op": "test", "path": "/data/c", "value": "nothing"}])

    def test_strategic_merge_keeps_containers(self):
        self.apps.create_namespaced_deployment(NAMESPACE, deployment("merged", 0))
        sidecar = {"spec": {"template": {"spec": {"containers": [{"name": "log", "image": "example.com/log:1"}]}}}}
        got = self.apps.patch_namespaced_deployment("merged", NAMESPACE, sidecar)
        names = [c.name for c in got.spec.template.spec.containers]
        self.assertEqual(sorted(names), ["log", "web"])
        got = self.apps.patch_namespaced_deployment(
            "merged", NAMESPACE, sidecar, _content_type="application/merge-patch+json")
        self.assertEqual([c.name for c in got.spec.template.spec.containers], ["log"])

    def test_watch(self):
        start = self.core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
        seen, failure = [], []

        def follow():
            try:
                stream = watch.Watch().stream(
                    self.core.list_namespaced_config_map, NAMESPACE, resource_version=start,
                    label_selector="suite=watch", timeout_seconds=20)
                for event in stream:
                    seen.append((event["type"], event["object"].metadata.name))
                    if event["type"] == "DELETED":
                        return
            except Exception:  # shown by the test, in whose thread it is not raised
                failure.append(traceback.format_exc())

        thread = threading.Thread(target=follow)
        thread.start()
        self.core.create_namespaced_config_map(NAMESPACE, config_map("unseen"))
        self.core.create_namespaced_config_map(NAMESPACE, config_map("seen", labels={"suite": "watch"}))
        self.core.patch_namespaced_config_map("seen", NAMESPACE, {"data": {"a": "2"}})
        self.core.delete_namespaced_config_map("seen", NAMESPACE)
        thread.join(30)
        self.assertEqual(failure, [])
        self.assertEqual(seen, [("ADDED", "seen"), ("MODIFIED", "seen"), ("DELETED", "seen")])

    def test_watch_ends_by_its_timeout(self):
        start = self.core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
        begun = time.monotonic()
        events = watch.Watch().stream(self.core.list_namespaced_config_map, NAMESPACE,
                                      resource_version=start, label_selector="no=one", timeout_seconds=1)
        self.assertEqual(list(events), [])
        self.assertLess(time.monotonic() - begun, 10)

    def test_pages_and_selectors(self):
        for i in range(7):
            labels = {"suite": "pages", "even": str(i % 2 == 0).lower()}
            self.core.create_namespaced_config_map(NAMESPACE, config_map(f"page-{i}", labels=labels))
        names, token, pages = [], None, 0
        while True:
            page = self.core.list_namespaced_config_map(
                NAMESPACE, label_selector="suite=pages", limit=3, _continue=token)
            names += [item.metadata.name for item in page.items]
            pages, token = pages + 1, page.metadata._continue
            if not token:
                break
        self.assertEqual((names, pages), ([f"page-{i}" for i in range(7)], 3))
        even = self.core.list_namespaced_config_map(NAMESPACE, label_selector="suite in (pages),even!=false")
        self.assertEqual(len(even.items), 4)
        one = self.core.list_namespaced_config_map(NAMESPACE, field_selector="metadata.name=page-3")
        self.assertEqual([item.metadata.name for item in one.items], ["page-3"])
        self.refused(400, self.core.list_namespaced_config_map, NAMESPACE, field_selector="data.a=1")
        self.core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="suite=pages")
        left = self.core.list_namespaced_config_map(NAMESPACE, label_selector="suite=pages")
        self.assertEqual(left.items, [])

    def test_deployment_life(self):
        self.apps.create_namespaced_deployment(NAMESPACE, deployment("life"))
        sets = eventually("a ReplicaSet", lambda: self.apps.list_namespaced_replica_set(
            NAMESPACE, label_selector="app=life").items)
        self.assertEqual(sets[0].metadata.owner_references[0].kind, "Deployment")
        pods = eventually("two pods", lambda: (p := self.core.list_namespaced_pod(
            NAMESPACE, label_selector="app=life").items) and len(p) == 2 and p)
        self.assertTrue(pods[0].metadata.name.startswith(sets[0].metadata.name + "-"))

        scale = self.apps.read_namespaced_deployment_scale("life", NAMESPACE)
        self.assertEqual((scale.spec.replicas, scale.status.selector), (2, "app=life"))
        self.apps.patch_namespaced_deployment_scale("life", NAMESPACE, {"spec": {"replicas": 1}})
        eventually("one pod", lambda: len([
            pod for pod in self.core.list_namespaced_pod(NAMESPACE, label_selector="app=life").items
            if not pod.metadata.deletion_timestamp]) == 1)

        self.apps.delete_namespaced_deployment(
            "life", NAMESPACE, body=client.V1DeleteOptions(propagation_policy="Foreground"))
        eventually("deployment and dependents go", lambda: not self.apps.list_namespaced_deployment(
            NAMESPACE, field_selector="metadata.name=life").items)
        self.assertEqual(self.apps.list_namespaced_replica_set(NAMESPACE, label_selector="app=life").items, [])

    def test_dry_run(self):
        self.core.create_namespaced_config_map(NAMESPACE, config_map("dry"), dry_run="All")
        self.refused(404, self.core.read_namespaced_config_map, "dry", NAMESPACE)

    def test_secret_and_service(self):
        secret = client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"k": "v"})
        self.assertEqual(self.core.create_namespaced_secret(NAMESPACE, secret).data, {"k": "dg=="})
        service = client.V1Service(
            metadata=client.V1ObjectMeta(name="web"),
            spec=client.V1ServiceSpec(selector={"app": "web"}, ports=[client.V1ServicePort(port=80)]))
        made = self.core.create_namespaced_service(NAMESPACE, service)
        self.assertEqual((made.spec.type, made.spec.ports[0].target_port), ("ClusterIP", 80))
        self.assertTrue(made.spec.cluster_ip)

    def test_access_review(self):
        auth = client.AuthorizationV1Api()
        review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(verb="create", resource="pods", namespace=NAMESPACE)))
        self.assertTrue(auth.create_self_subject_access_review(review).status.allowed)

    def test_token_of_a_service_account(self):
        self.core.create_namespaced_service_account(
            NAMESPACE, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="robot")))
        made = self.core.create_namespaced_service_account_token(
            "robot", NAMESPACE, client.AuthenticationV1TokenRequest(
                spec=client.V1TokenRequestSpec(audiences=[])))
        settings = client.Configuration.get_default_copy()
        settings.cert_file = settings.key_file = None
        settings.api_key = {"authorization": "Bearer " + made.status.token}
        robot = client.ApiClient(settings)
        me = client.AuthenticationV1Api(robot).create_self_subject_review(client.V1SelfSubjectReview())
        self.assertEqual(me.status.user_info.username, f"system:serviceaccount:{NAMESPACE}:robot")
        error = self.refused(403, client.CoreV1Api(robot).list_namespaced_pod, NAMESPACE)
        self.assertIn("Forbidden", error.body)

    def test_dynamic_client(self):
        resources = DynamicClient(client.ApiClient()).resources
        maps = resources.get(api_version="v1", kind="ConfigMap")
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dynamic"}, "data": {"a": "1"}}
        maps.create(body=body, namespace=NAMESPACE)
        self.assertEqual(maps.get(name="dynamic", namespace=NAMESPACE).data.a, "1")
        self.assertEqual(resources.get(api_version="apps/v1", kind="Deployment").name, "deployments")

    def test_server_side_apply(self):
        maps = DynamicClient(client.ApiClient()).resources.get(api_version="v1", kind="ConfigMap")

        def apply(data, manager, **options):
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": data}
            return maps.server_side_apply(body=body, namespace=NAMESPACE, field_manager=manager, **options)

        made = apply({"a": "1", "b": "1"}, "first")
        self.assertEqual([m.manager for m in made.metadata.managedFields], ["first"])
        with self.assertRaises(ConflictError) as caught:
            apply({"b": "2"}, "second")
        self.assertIn('conflict with \\"first\\": .data.b', caught.exception.body)
        apply({"b": "2"}, "second", force_conflicts=True)
        self.assertEqual(apply({}, "first").data.to_dict(), {"b": "2"})

    def test_leader_election(self):
        leads = queue.Queue()

        def run(identity):
            settings = electionconfig.Config(
                LeaseLock("election", NAMESPACE, identity), lease_duration=3, renew_deadline=2, retry_period=1,
                onstarted_leading=lambda: leads.put(identity), onstopped_leading=lambda: leads.put(""))
            leaderelection.LeaderElection(settings).run()

        threading.Thread(target=run, args=("one",), daemon=True).start()
        self.assertEqual(leads.get(timeout=30), "one")
        # Somebody else takes the lease: whoever led notices.
        coordination = client.CoordinationV1Api()
        lease = coordination.patch_namespaced_lease("election", NAMESPACE, {"spec": {"holderIdentity": "two"}})
        self.assertIsNotNone(lease.spec.renew_time.tzinfo)
        self.assertEqual(leads.get(timeout=60), "")

    def test_informer(self):
        self.core.create_namespaced_config_map(NAMESPACE, config_map("early", labels={"suite": "informer"}))
        informer = SharedInformer(self.core.list_namespaced_config_map, NAMESPACE, label_selector="suite=informer")
        seen = queue.Queue()
        for kind in ("ADDED", "MODIFIED", "DELETED"):
            informer.add_event_handler(kind, lambda found, kind=kind: seen.put((kind, found.metadata.name)))
        informer.start()
        try:
            self.assertEqual(seen.get(timeout=30), ("ADDED", "early"))
            self.core.create_namespaced_config_map(NAMESPACE, config_map("late", labels={"suite": "informer"}))
            self.assertEqual(seen.get(timeout=30), ("ADDED", "late"))
            self.core.patch_namespaced_config_map("late", NAMESPACE, {"data": {"a": "2"}})
            self.assertEqual(seen.get(timeout=30), ("MODIFIED", "late"))
            self.assertEqual(informer.cache.get_by_key(f"{NAMESPACE}/late").data, {"a": "2"})
            self.core.delete_namespaced_config_map("early", NAMESPACE)
            self.assertEqual(seen.get(timeout=30), ("DELETED", "early"))
        finally:
            # It complains of the connection that it cuts itself.
            logging.getLogger("kubernetes.informer").setLevel(logging.CRITICAL)
            informer.stop()

    def test_create_from_dict(self):
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "from-dict"}, "data": {"a": "1"}}
        utils.create_from_dict(client.ApiClient(), manifest, namespace=NAMESPACE)
        self.assertEqual(self.core.read_namespaced_config_map("from-dict", NAMESPACE).data, {"a": "1"})


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    broken = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - broken} passed, {broken} failed")
    sys.exit(broken > 0)
