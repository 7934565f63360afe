//! The Kubernetes manifests.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::docker::Dockerfile;
use super::files::{SERVER_MIB, assert_accepted, mebibytes, memory_of_runs, problems, root};
use super::files::{schema, strings, text, toml, tool, yaml};

const DIRECTORY: &str = "deploy/kubernetes";

/// Every manifest by its file's name, but for kustomize's own.
fn manifests() -> BTreeMap<String, Value> {
    let entries = std::fs::read_dir(root().join(DIRECTORY)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name != "kustomization.yaml")
        .map(|name| (name.clone(), yaml(&format!("{DIRECTORY}/{name}"))))
        .collect()
}

fn manifest(name: &str) -> Value {
    yaml(&format!("{DIRECTORY}/{name}.yaml"))
}

/// The pod of the Deployment.
fn pod() -> Value {
    manifest("deployment")["spec"]["template"]["spec"].clone()
}

fn server() -> Value {
    pod()["containers"][0].clone()
}

/// The configuration in the ConfigMap.
fn config() -> String {
    manifest("configmap")["data"]["conductor.toml"].as_str().unwrap().to_owned()
}

/// Containers of the pod, those that run before the server too.
fn containers() -> Vec<Value> {
    let pod = pod();
    let lists = ["initContainers", "containers"];
    lists.iter().flat_map(|list| pod[list].as_array().unwrap().clone()).collect()
}

/// The pod of the store.
fn store_pod() -> Value {
    manifest("store-statefulset")["spec"]["template"]["spec"].clone()
}

fn valkey() -> Value {
    store_pod()["containers"][0].clone()
}

/// The Secret and the key that a variable of a container comes from.
fn secret_of(container: &Value, variable: &str) -> Value {
    let all = container["env"].as_array().unwrap();
    let entry = all.iter().find(|entry| entry["name"] == variable).unwrap();
    entry["valueFrom"]["secretKeyRef"].clone()
}

/// Against the schema of its kind.
fn invalid(manifest: &Value) -> Vec<String> {
    let mut schema = schema("kubernetes");
    let kind = manifest["kind"].as_str().unwrap();
    let definition = schema["kinds"][kind].as_str().unwrap_or_else(|| panic!("a schema of {kind}"));
    schema["$ref"] = format!("#/$defs/{definition}").into();
    problems(&schema, manifest)
}

#[test]
fn every_manifest_is_valid() {
    for (name, manifest) in manifests() {
        assert_eq!(invalid(&manifest), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn there_is_a_manifest_of_each_kind() {
    let mut kinds: Vec<_> = manifests().into_values().map(|m| m["kind"].clone()).collect();
    kinds.sort_by_key(Value::to_string);
    let expected = [
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Namespace",
        "NetworkPolicy",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Secret",
        "Secret",
        "Service",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn the_schemas_find_a_typo_deep_inside() {
    let mut deployment = manifest("deployment");
    let context = &mut deployment["spec"]["template"]["spec"]["containers"][0]["securityContext"];
    context["readonlyRootFilesystem"] = json!(true);
    assert_eq!(invalid(&deployment).len(), 1);
}

#[test]
fn the_schemas_find_a_wrong_type_and_a_wrong_version() {
    let mut service = manifest("service");
    service["spec"]["ports"][0]["port"] = json!("3001");
    assert_eq!(invalid(&service).len(), 1);
    let mut hpa = manifest("hpa");
    hpa["apiVersion"] = json!("autoscaling/v2beta2");
    assert_eq!(invalid(&hpa).len(), 1);
}

#[test]
fn kustomize_takes_every_manifest_but_the_examples() {
    let resources = manifest("kustomization")["resources"].clone();
    let mut listed = strings(&resources);
    listed.sort_unstable();
    let manifests = manifests();
    let there: Vec<_> = manifests.keys().filter(|name| !name.contains(".example.")).collect();
    assert_eq!(listed, there);
}

#[test]
fn kubectl_puts_the_manifests_together() {
    let Some(mut kubectl) = tool("kubectl") else { return };
    let output = kubectl.arg("kustomize").arg(root().join(DIRECTORY)).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found = 0;
    for document in text.split("\n---\n") {
        let manifest: Value = serde_yaml_ng::from_str(document).unwrap();
        assert_eq!(invalid(&manifest), Vec::<String>::new(), "{document}");
        found += 1;
    }
    let examples = manifests().into_keys().filter(|name| name.contains(".example."));
    assert_eq!(found, manifests().len() - examples.count());
}

#[test]
fn the_configuration_is_accepted() {
    assert_accepted("kubernetes", &config());
}

#[test]
fn one_port_is_meant_everywhere() {
    let port = toml(&config())["port"].clone();
    assert_eq!(server()["ports"], json!([{"name": "http", "containerPort": port}]));
    let service = manifest("service")["spec"]["ports"][0].clone();
    assert_eq!((&service["port"], &service["targetPort"]), (&port, &json!("http")));
    let ingress = manifest("networkpolicy")["spec"]["ingress"][0]["ports"].clone();
    assert_eq!(ingress, json!([{"protocol": "TCP", "port": port}]));
    assert_eq!(Dockerfile::read().last("EXPOSE"), port.to_string());
}

#[test]
fn the_probes_ask_what_the_server_serves() {
    let server = server();
    let asked = ["startupProbe", "livenessProbe", "readinessProbe"].map(|probe| {
        let get = &server[probe]["httpGet"];
        (get["path"].as_str().unwrap().to_owned(), get["port"].as_str().unwrap().to_owned())
    });
    let expected = ["/health", "/health", "/ready"];
    assert_eq!(asked, expected.map(|path| (path.to_owned(), "http".to_owned())));
}

#[test]
fn the_pod_is_not_root_and_has_no_access_to_the_cluster() {
    let pod = pod();
    let (user, group) = Dockerfile::read().last("USER").split_once(':').map(ids).unwrap();
    let expected = json!({
        "runAsNonRoot": true,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": group,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!(pod["securityContext"], expected);
    assert_eq!(pod["automountServiceAccountToken"], false);
    let account = manifest("serviceaccount");
    assert_eq!(account["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        assert_eq!(pod[key], Value::Null);
    }
}

fn ids((user, group): (&str, &str)) -> (u64, u64) {
    (user.parse().unwrap(), group.parse().unwrap())
}

#[test]
fn each_container_is_confined() {
    let expected = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    for container in containers().into_iter().chain([valkey()]) {
        assert_eq!(container["securityContext"], expected, "{}", container["name"]);
        assert!(container["resources"]["limits"]["memory"].is_string(), "{}", container["name"]);
    }
}

#[test]
fn the_image_is_that_of_the_services() {
    let image = yaml("docker-compose.yml")["services"]["mcp-conductor-http"]["image"].clone();
    assert_eq!(server()["image"], image);
    assert_eq!(image, format!("mcp-conductor:{}", env!("CARGO_PKG_VERSION")));
    let kustomization = manifest("kustomization");
    let expected = json!([{"name": "mcp-conductor", "newTag": env!("CARGO_PKG_VERSION")}]);
    assert_eq!(kustomization["images"], expected);
    let arguments: Value = serde_json::from_str(Dockerfile::read().last("CMD")).unwrap();
    assert_eq!(server()["args"], arguments);
}

#[test]
fn memory_is_enough_for_the_runs_that_are_allowed() {
    let limit = server()["resources"]["limits"]["memory"].clone();
    let runs = memory_of_runs(&toml(&config()));
    assert!(runs + SERVER_MIB <= mebibytes(limit.as_str().unwrap()));
}

#[test]
fn the_pod_is_ended_later_than_the_server_drains() {
    let wait = server()["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    let drain = toml(&config())["drain_timeout"].as_u64().unwrap();
    let grace = pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace * 1000 > wait * 1000 + drain);
}

#[test]
fn the_volumes_are_there() {
    let pod = pod();
    let volumes: Vec<_> = pod["volumes"].as_array().unwrap().iter().map(|v| &v["name"]).collect();
    for container in containers() {
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert!(volumes.contains(&&mount["name"]), "{mount}");
        }
    }
    let named = |name: &str| {
        let all = pod["volumes"].as_array().unwrap();
        all.iter().find(|volume| volume["name"] == name).unwrap().clone()
    };
    assert_eq!(named("config")["configMap"]["name"], manifest("configmap")["metadata"]["name"]);
    let secret = manifest("secret.example");
    assert_eq!(named("secret")["secret"]["secretName"], secret["metadata"]["name"]);
    // For the owner and the group to read.
    assert_eq!(named("secret")["secret"]["defaultMode"], 0o440);
}

/// Where a volume is in a container.
fn mount(container: &Value, volume: &str) -> String {
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|mount| mount["name"] == volume).unwrap();
    mount["mountPath"].as_str().unwrap().to_owned()
}

#[test]
fn the_tokens_are_put_where_the_server_looks() {
    let tokens = toml(&config())["tokens"].as_str().unwrap().to_owned();
    let pod = pod();
    let copy = &pod["initContainers"][0];
    let source = format!("{}/tokens.json", mount(copy, "secret"));
    let script = format!("umask 077 && cat {source} > {tokens}");
    assert_eq!(copy["command"], json!(["sh", "-c", script]));
    for container in [copy, &server()] {
        assert!(tokens.starts_with(&mount(container, "tokens")));
    }
    assert!(manifest("secret.example")["stringData"].get("tokens.json").is_some());
}

#[test]
fn the_files_of_the_server_are_in_a_volume() {
    let config = toml(&config());
    let state = mount(&server(), "state");
    for path in [&config["workspace"], &config["principals"]["*"]["workspace"]] {
        assert!(path.as_str().unwrap().starts_with(&state), "{path}");
    }
    // The image looks for its configuration where the ConfigMap is.
    let variables = Dockerfile::read().last("ENV").to_owned();
    let expected = format!("MCP_CONDUCTOR_CONFIG={}/conductor.toml", mount(&server(), "config"));
    assert!(variables.ends_with(&expected), "{variables}");
}

#[test]
fn everything_is_about_the_same_pods() {
    let deployment = manifest("deployment");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let selectors = [
        deployment["spec"]["selector"]["matchLabels"].clone(),
        manifest("service")["spec"]["selector"].clone(),
        manifest("networkpolicy")["spec"]["podSelector"]["matchLabels"].clone(),
        manifest("pdb")["spec"]["selector"]["matchLabels"].clone(),
    ];
    for selector in selectors {
        assert_eq!(&selector, labels);
    }
    let target = manifest("hpa")["spec"]["scaleTargetRef"].clone();
    let expected = json!({
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    });
    assert_eq!(target, expected);
    let namespace = manifest("namespace")["metadata"]["name"].clone();
    for (name, manifest) in manifests() {
        let own = &manifest["metadata"]["namespace"];
        assert!(own == &namespace || manifest["kind"] == "Namespace", "{name}");
    }
}

#[test]
fn the_servers_find_the_store_with_the_password_that_it_wants() {
    let store = toml(&config())["store"].as_str().unwrap().to_owned();
    let name = manifest("store-service")["metadata"]["name"].clone();
    let port = manifest("store-service")["spec"]["ports"][0]["port"].clone();
    let (name, variable) = (name.as_str().unwrap(), "STORE_PASSWORD");
    assert_eq!(store, format!("redis://:env:{variable}@{name}:{port}/0"));
    let secret = manifest("store-secret.example");
    let expected = json!({ "name": secret["metadata"]["name"], "key": "password" });
    assert!(secret["stringData"]["password"].is_string());
    for container in [server(), valkey()] {
        assert_eq!(secret_of(&container, variable), expected, "{}", container["name"]);
    }
    assert_eq!(secret_of(&valkey(), "REDISCLI_AUTH"), expected);
    assert_eq!(valkey()["ports"], json!([{ "name": "store", "containerPort": port }]));
}

#[test]
fn only_servers_reach_the_store_and_it_reaches_nobody() {
    let set = manifest("store-statefulset");
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    let policy = manifest("store-networkpolicy")["spec"].clone();
    let selectors = [
        &set["spec"]["selector"]["matchLabels"],
        &manifest("store-service")["spec"]["selector"],
        &policy["podSelector"]["matchLabels"],
    ];
    assert_eq!(selectors, [labels; 3]);
    let port = json!([{ "protocol": "TCP", "port": valkey()["ports"][0]["containerPort"] }]);
    let servers = manifest("deployment")["spec"]["selector"].clone();
    let expected = json!([{ "from": [{ "podSelector": servers }], "ports": port }]);
    assert_eq!(policy["ingress"], expected);
    assert_eq!(policy["egress"], json!([]));
    let out = manifest("networkpolicy")["spec"]["egress"].clone();
    let to_store = json!({
        "to": [{ "podSelector": { "matchLabels": labels } }],
        "ports": port,
    });
    assert!(out.as_array().unwrap().contains(&to_store), "{out}");
}

#[test]
fn the_store_forgets_nothing_and_has_room_for_what_it_may_hold() {
    let command = valkey()["command"].clone();
    let script = strings(&command)[2].to_owned();
    for option in
        ["--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction", "--dir /data"]
    {
        assert!(script.contains(option), "{option}");
    }
    assert_eq!(mount(&valkey(), "data"), "/data");
    let claims = manifest("store-statefulset")["spec"]["volumeClaimTemplates"].clone();
    assert_eq!(claims[0]["metadata"]["name"], "data");
    let (_, after) = script.split_once("--maxmemory ").unwrap();
    let most: u64 = after.split_once("mb").unwrap().0.parse().unwrap();
    let limit = valkey()["resources"]["limits"]["memory"].clone();
    assert!(most + 128 <= mebibytes(limit.as_str().unwrap()));
    let pod = store_pod();
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["automountServiceAccountToken"], false);
}

#[test]
fn a_replica_is_named_by_the_address_of_its_pod() {
    let server = server();
    let all = server["env"].as_array().unwrap();
    let name = all.iter().find(|entry| entry["name"] == "MCP_CONDUCTOR_REPLICA").unwrap();
    assert_eq!(name["valueFrom"], json!({ "fieldRef": { "fieldPath": "status.podIP" } }));
}

/// A gauge of `/metrics`, by which the documentation's rule of the adapter finds it.
#[test]
fn the_autoscaler_looks_at_the_processors_and_at_the_queue() {
    let hpa = manifest("hpa");
    let kinds: Vec<_> =
        hpa["spec"]["metrics"].as_array().unwrap().iter().map(|metric| &metric["type"]).collect();
    assert_eq!(kinds, ["Resource", "Pods"]);
    let name = hpa["spec"]["metrics"][1]["pods"]["metric"]["name"].as_str().unwrap().to_owned();
    let (own, documented) = (text("src/telemetry/metrics.rs"), text("docs/replicas.md"));
    assert!(own.contains(&format!("\"{name} ")), "{name} is not in /metrics");
    assert!(documented.contains(&format!("seriesQuery: '{name}{{")), "{name} has no rule");
}

/// The autoscaler sets them; a number in the manifest would reset it at each apply.
#[test]
fn the_deployment_says_no_number_of_replicas() {
    assert_eq!(manifest("deployment")["spec"]["replicas"], Value::Null);
    assert_eq!(manifest("hpa")["spec"]["minReplicas"], 2);
}

/// Whether the policy lets the pods connect to this port of this address.
fn lets_out(address: &str, port: u64) -> bool {
    let address: IpAddr = address.parse().unwrap();
    let policy = manifest("networkpolicy");
    let holds = |block: &Value| {
        let has =
            |text: &Value| text.as_str().unwrap().parse::<IpNet>().unwrap().contains(&address);
        let except = block["except"].as_array().is_some_and(|list| list.iter().any(has));
        block["cidr"].is_string() && has(&block["cidr"]) && !except
    };
    policy["spec"]["egress"].as_array().unwrap().iter().any(|rule| {
        let ports = rule["ports"].as_array().unwrap();
        let peers = rule["to"].as_array().unwrap();
        ports.iter().any(|p| p["port"] == port) && peers.iter().any(|p| holds(&p["ipBlock"]))
    })
}

#[test]
fn public_hosts_can_be_reached_and_private_ones_cannot() {
    let public = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"];
    let private = [
        "169.254.169.254",
        "fd00:ec2::254",
        "10.96.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "fe80::1",
        // NAT64 of 169.254.169.254.
        "64:ff9b::a9fe:a9fe",
    ];
    assert_eq!(public.map(|address| lets_out(address, 443)), [true; 3]);
    assert_eq!(private.map(|address| lets_out(address, 443)), [false; 9]);
    assert_eq!(public.map(|address| lets_out(address, 80)), [false; 3]);
}
