package dev.corten;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ConfigMapList;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import io.fabric8.kubernetes.client.dsl.NonNamespaceOperation;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.extended.leaderelection.LeaderCallbacks;
import io.fabric8.kubernetes.client.extended.leaderelection.LeaderElectionConfigBuilder;
import io.fabric8.kubernetes.client.extended.leaderelection.resourcelock.LeaseLock;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** fabric8's client against the API server of KUBECONFIG. Prints one line per check. */
public final class Clients {
  private static final String NAMESPACE = "clients-java";
  private static final long PATIENCE = 60;

  private final KubernetesClient client;
  private int passed;

  private Clients(KubernetesClient client) {
    this.client = client;
  }

  interface Check {
    void run() throws Exception;
  }

  public static void main(String[] args) {
    int failed = 0;
    int passed = 0;
    try (KubernetesClient client = new KubernetesClientBuilder().build()) {
      Clients clients = new Clients(client);
      try {
        clients.all();
      } catch (Exception | AssertionError e) {
        failed = 1;
        e.printStackTrace();
      }
      passed = clients.passed;
    }
    System.out.printf("%d passed, %d failed%n", passed, failed);
    System.exit(failed);
  }

  private void all() throws Exception {
    check("version", () -> expect("major", client.getKubernetesVersion().getMajor(), "1"));
    check("discovery", () -> expect("apps/v1", client.supports("apps/v1", "Deployment"), true));
    client.namespaces().resource(
        new NamespaceBuilder().withNewMetadata().withName(NAMESPACE).endMetadata().build()).create();
    check("create, read, list, delete", this::life);
    check("patches", this::patches);
    check("server-side apply", this::apply);
    check("watch", this::watch);
    check("informer", this::informer);
    check("leader election", this::election);
    check("the namespace goes", () -> {
      client.namespaces().withName(NAMESPACE).delete();
      client.namespaces().withName(NAMESPACE).waitUntilCondition(n -> n == null, PATIENCE, TimeUnit.SECONDS);
    });
  }

  private void check(String name, Check check) throws Exception {
    long begun = System.nanoTime();
    try {
      check.run();
    } catch (Exception | AssertionError e) {
      throw new Exception(name + ": FAILED", e);
    }
    passed++;
    System.out.printf("ok   %s (%d ms)%n", name, (System.nanoTime() - begun) / 1_000_000);
  }

  private static void expect(String what, Object got, Object want) {
    if (!want.equals(got)) {
      throw new AssertionError(what + ": got " + got + ", want " + want);
    }
  }

  private NonNamespaceOperation<ConfigMap, ConfigMapList, Resource<ConfigMap>> maps() {
    return client.configMaps().inNamespace(NAMESPACE);
  }

  private static ConfigMap map(String name, Map<String, String> data) {
    return new ConfigMapBuilder().withNewMetadata().withName(name).withNamespace(NAMESPACE)
        .withLabels(Map.of("suite", "java")).endMetadata().withData(data).build();
  }

  private void life() {
    ConfigMap made = maps().resource(map("life", Map.of("a", "1"))).create();
    expect("data", maps().withName("life").get().getData(), Map.of("a", "1"));
    try {
      maps().resource(map("life", Map.of())).create();
      throw new AssertionError("created twice");
    } catch (KubernetesClientException e) {
      expect("code", e.getCode(), 409);
      expect("reason", e.getStatus().getReason(), "AlreadyExists");
    }
    made.getData().put("a", "2");
    ConfigMap updated = maps().resource(made).update();
    expect("updated", updated.getData().get("a"), "2");
    expect("listed", maps().list().getItems().stream().anyMatch(m -> m.getMetadata().getName().equals("life")), true);
    maps().withName("life").delete();
    expect("deleted", maps().withName("life").get() == null, true);
  }

  private void patches() {
    maps().resource(map("patched", Map.of("a", "1"))).create();
    Resource<ConfigMap> one = maps().withName("patched");
    expect("edit", one.edit(m -> new ConfigMapBuilder(m).addToData("b", "2").build()).getData().get("b"), "2");
    for (Map.Entry<PatchType, String> patch : Map.of(
        PatchType.JSON_MERGE, "{\"data\":{\"c\":\"3\"}}",
        PatchType.STRATEGIC_MERGE, "{\"data\":{\"c\":\"3\"}}",
        PatchType.JSON, "[{\"op\":\"add\",\"path\":\"/data/c\",\"value\":\"3\"}]").entrySet()) {
      ConfigMap done = one.patch(PatchContext.of(patch.getKey()), patch.getValue());
      expect(patch.getKey().name(), done.getData().get("c"), "3");
    }
  }

  private void apply() {
    ConfigMap made = maps().resource(map("applied", Map.of("a", "1"))).fieldManager("java").serverSideApply();
    expect("manager", made.getMetadata().getManagedFields().get(0).getManager(), "java");
    try {
      maps().resource(map("applied", Map.of("a", "2"))).fieldManager("other").serverSideApply();
      throw new AssertionError("no conflict");
    } catch (KubernetesClientException e) {
      expect("code", e.getCode(), 409);
    }
    ConfigMap forced = maps().resource(map("applied", Map.of("a", "2"))).fieldManager("other")
        .forceConflicts().serverSideApply();
    expect("forced", forced.getData().get("a"), "2");
  }

  private void watch() throws Exception {
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    Watcher<ConfigMap> watcher = new Watcher<>() {
      @Override
      public void eventReceived(Action action, ConfigMap map) {
        seen.add(action + " " + map.getMetadata().getName());
      }

      @Override
      public void onClose(WatcherException cause) {
        seen.add("closed: " + cause);
      }
    };
    try (Watch watch = maps().withName("watched").watch(watcher)) {
      maps().resource(map("watched", Map.of())).create();
      maps().withName("watched").edit(m -> new ConfigMapBuilder(m).addToData("a", "1").build());
      maps().withName("watched").delete();
      for (String event : List.of("ADDED", "MODIFIED", "DELETED")) {
        expect("event", seen.poll(PATIENCE, TimeUnit.SECONDS), event + " watched");
      }
    }
  }

  private void informer() throws Exception {
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    ResourceEventHandler<ConfigMap> handler = new ResourceEventHandler<>() {
      @Override
      public void onAdd(ConfigMap map) {
        seen.add("add " + map.getMetadata().getName());
      }

      @Override
      public void onUpdate(ConfigMap old, ConfigMap map) {
        seen.add("update " + map.getMetadata().getName());
      }

      @Override
      public void onDelete(ConfigMap map, boolean unknown) {
        seen.add("delete " + map.getMetadata().getName());
      }
    };
    maps().resource(new ConfigMapBuilder(map("first", Map.of())).editMetadata().addToLabels("informed", "yes")
        .endMetadata().build()).create();
    try (SharedIndexInformer<ConfigMap> informer =
        client.configMaps().inNamespace(NAMESPACE).withLabel("informed", "yes").inform(handler)) {
      expect("first", seen.poll(PATIENCE, TimeUnit.SECONDS), "add first");
      maps().withName("first").edit(m -> new ConfigMapBuilder(m).addToData("a", "1").build());
      expect("second", seen.poll(PATIENCE, TimeUnit.SECONDS), "update first");
      expect("store", informer.getStore().list().size(), 1);
      maps().withName("first").delete();
      expect("third", seen.poll(PATIENCE, TimeUnit.SECONDS), "delete first");
    }
  }

  private void election() throws Exception {
    BlockingQueue<String> leaders = new LinkedBlockingQueue<>();
    CompletableFuture<?> first = candidate("first", leaders);
    expect("leader", leaders.poll(PATIENCE, TimeUnit.SECONDS), "first");
    CompletableFuture<?> second = candidate("second", leaders);
    first.cancel(true);
    expect("leader after the first gave up", leaders.poll(PATIENCE, TimeUnit.SECONDS), "second");
    second.cancel(true);
  }

  private CompletableFuture<?> candidate(String identity, BlockingQueue<String> leaders) {
    return client.leaderElector().withConfig(new LeaderElectionConfigBuilder()
        .withName("java").withLeaseDuration(Duration.ofSeconds(15)).withRenewDeadline(Duration.ofSeconds(10))
        .withRetryPeriod(Duration.ofMillis(200)).withReleaseOnCancel()
        .withLock(new LeaseLock(NAMESPACE, "election", identity))
        .withLeaderCallbacks(new LeaderCallbacks(() -> leaders.add(identity), () -> { }, leader -> { }))
        .build()).build().start();
  }
}
