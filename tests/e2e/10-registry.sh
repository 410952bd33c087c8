# Images from a registry, over plain HTTP only where that is allowed.
# shellcheck shell=bash

REGISTRY=registry.test:5000

# Debian's registry in node1's namespaces, with one image in it.
start_registry() {
  mkdir -p "$WORK/registry"
  cat >"$WORK/registry.yml" <<YAML
version: 0.1
storage: {filesystem: {rootdirectory: $WORK/registry}}
http: {addr: "127.0.0.1:5000"}
YAML
  on node1 setsid docker-registry serve "$WORK/registry.yml" >"$WORK/registry.log" 2>&1 </dev/null &
  echo $! >"$WORK/registry.pid"
  disown
  eventually 10 on node1 curl -sS -o /dev/null http://127.0.0.1:5000/v2/
}

# push NAME: busybox as an image, by the registry's own API.
push() {
  local name=$1 url=http://127.0.0.1:5000/v2/$1 root=$WORK/rootfs layer=$WORK/layer.tar config=$WORK/config.json
  mkdir -p "$root/bin" && cp "$(command -v busybox)" "$root/bin/busybox" && ln -sf busybox "$root/bin/sh"
  ln -sf busybox "$root/bin/sleep"
  tar -C "$root" -cf "$layer" .
  local diff
  diff=$(sha256sum <"$layer" | cut -d' ' -f1)
  printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sleep","1000"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')" "$diff" >"$config"
  local file digest place
  for file in "$layer" "$config"; do
    digest=sha256:$(sha256sum <"$file" | cut -d' ' -f1)
    place=$(on node1 curl -sS -i -X POST "$url/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //Ip')
    same "$(on node1 curl -sS -o /dev/null -w '%{http_code}' -X PUT -H 'Content-Type: application/octet-stream' \
      --data-binary @"$file" "$place&digest=$digest")" 201
  done
  cat >"$WORK/manifest.json" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
 "config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$(sha256sum <"$config" | cut -d' ' -f1)","size":$(stat -c %s "$config")},
 "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:$diff","size":$(stat -c %s "$layer")}]}
JSON
  same "$(on node1 curl -sS -o /dev/null -w '%{http_code}' -X PUT \
    -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @"$WORK/manifest.json" "$url/manifests/1")" 201
}

# pulls POD IMAGE: a pod on node1 with it.
pulls() {
  k run "$1" --image="$2" --overrides='{"spec":{"nodeName":"node1","terminationGracePeriodSeconds":0}}'
}

test_plain_http_is_refused_unless_allowed() {
  command -v docker-registry >/dev/null || { note "skipped: no docker-registry"; return; }
  start_registry
  push lib/bb
  on node1 sh -c "cp /etc/hosts $WORK/hosts; echo 127.0.0.1 registry.test >>$WORK/hosts; mount --bind $WORK/hosts /etc/hosts"
  pulls refused "$REGISTRY/lib/bb:1"
  eventually 60 waits_for refused 'ErrImagePull|ImagePullBackOff'
  has "$(k get events --field-selector involvedObject.name=refused,reason=Failed -o jsonpath='{.items[*].message}')" \
    "Failed to pull image \"$REGISTRY/lib/bb:1\""
}

waits_for() { has "$(field "pod/$1" '{.status.containerStatuses[0].state.waiting.reason}')" "$2"; }

test_an_image_is_pulled_where_it_is_allowed() {
  command -v docker-registry >/dev/null || { note "skipped: no docker-registry"; return; }
  echo "$REGISTRY: {insecure: true}" >"$WORK/node1/registries.yaml"
  pulls pulled "$REGISTRY/lib/bb:1"
  ready pod/pulled
  has "$(field pod/pulled '{.status.containerStatuses[0].imageID}')" '@sha256:'
  has "$(k get events --field-selector involvedObject.name=pulled,reason=Pulled -o jsonpath='{.items[*].message}')" \
    "Successfully pulled image \"$REGISTRY/lib/bb:1\" in "
}

test_what_the_registry_lacks_is_said() {
  command -v docker-registry >/dev/null || { note "skipped: no docker-registry"; return; }
  pulls lacking "$REGISTRY/lib/nothing:1"
  eventually 30 waits_for lacking 'ErrImagePull|ImagePullBackOff'
  has "$(k get events --field-selector involvedObject.name=lacking,reason=Failed -o jsonpath='{.items[*].message}')" 'not found'
}

test_an_archive_is_imported() {
  command -v docker-registry >/dev/null || { note "skipped: no docker-registry"; return; }
  # Another image with the same layer, as an OCI archive.
  local oci=$WORK/oci blob
  mkdir -p "$oci/blobs/sha256"
  sed -i 's/1000/2000/' "$WORK/config.json"
  sed -i "s/\(config.v1+json\",\"digest\":\"sha256:\)[0-9a-f]*/\1$(sha256sum <"$WORK/config.json" | cut -d' ' -f1)/" "$WORK/manifest.json"
  for blob in layer.tar config.json manifest.json; do
    cp "$WORK/$blob" "$oci/blobs/sha256/$(sha256sum <"$WORK/$blob" | cut -d' ' -f1)"
  done
  echo '{"imageLayoutVersion":"1.0.0"}' >"$oci/oci-layout"
  cat >"$oci/index.json" <<JSON
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$(sha256sum <"$WORK/manifest.json" | cut -d' ' -f1)","size":$(stat -c %s "$WORK/manifest.json"),"annotations":{"io.containerd.image.name":"example.test/mine:1"}}]}
JSON
  tar -C "$oci" -cf "$WORK/mine.tar" .
  on node1 "$CORTEN" image import "$WORK/mine.tar" --data-dir "$WORK/node1"
  k run mine --image=example.test/mine:1 --image-pull-policy=Never --overrides='{"spec":{"nodeName":"node1","terminationGracePeriodSeconds":0}}'
  ready pod/mine
}

test_the_registry_ends() {
  [ -e "$WORK/registry.pid" ] || return 0
  kill "$(cat "$WORK/registry.pid")"
  on node1 umount /etc/hosts
}
