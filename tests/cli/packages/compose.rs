//! The services of docker-compose.yml.

use serde_json::{Value, json};

use super::docker::Dockerfile;
use super::files::{SERVER_MIB, knows, mebibytes, memory_of_runs, problems, schema, text, toml};
use super::files::{strings, yaml};

fn compose() -> Value {
    yaml("docker-compose.yml")
}

fn services() -> Vec<(String, Value)> {
    let services = compose()["services"].as_object().unwrap().clone();
    services.into_iter().collect()
}

#[test]
fn the_file_is_valid() {
    assert_eq!(problems(&schema("compose"), &compose()), Vec::<String>::new());
}

#[test]
fn the_schema_finds_a_typo() {
    let mut compose = compose();
    compose["services"]["mcp-conductor-http"]["read_olny"] = json!(true);
    assert_eq!(problems(&schema("compose"), &compose).len(), 1);
}

/// Those of the original's docker-compose.yml, version 0.1.2.
#[test]
fn the_services_are_those_of_the_original() {
    let names: Vec<_> = services().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["mcp-conductor", "mcp-conductor-network", "mcp-conductor-http"]);
}

#[test]
fn each_service_is_confined() {
    for (name, service) in services() {
        let found = json!({
            "read_only": service["read_only"],
            "cap_drop": service["cap_drop"],
            "security_opt": service["security_opt"],
            "init": service["init"],
            "privileged": service["privileged"],
            "user": service["user"],
        });
        let expected = json!({
            "read_only": true,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "init": true,
            "privileged": null,
            // The image's.
            "user": null,
        });
        assert_eq!(found, expected, "{name}");
        assert!(service["pids_limit"].as_u64().is_some_and(|limit| limit <= 1024), "{name}");
        // Twice what the commands of all runs may have (broker/io/crowd.rs).
        assert!(service["pids_limit"].as_u64().is_some_and(|limit| limit >= 2 * 512), "{name}");
    }
}

#[test]
fn no_service_is_given_a_socket_of_the_engine_or_a_directory_of_the_machine() {
    for (name, service) in services() {
        for volume in strings(&service["volumes"]) {
            assert!(!volume.starts_with(['/', '.', '~']), "{name}: {volume}");
        }
    }
}

#[test]
fn the_volumes_are_declared() {
    let compose = compose();
    for (name, service) in services() {
        for volume in strings(&service["volumes"]) {
            let (volume, target) = volume.split_once(':').unwrap();
            assert!(compose["volumes"].get(volume).is_some(), "{name}: {volume}");
            assert_eq!(target, "/var/lib/mcp-conductor", "{name}");
        }
    }
}

#[test]
fn memory_is_enough_for_the_runs_that_are_allowed() {
    let config = toml(&text("deploy/docker/conductor.toml"));
    for (name, service) in services() {
        let number = |key: &str| service["environment"][key].as_str().map(|n| n.parse().unwrap());
        let concurrent: Option<u64> = number("MCP_CONDUCTOR_MAX_CONCURRENT");
        let memory: Option<u64> = number("MCP_CONDUCTOR_MAX_MEMORY");
        let runs = match (concurrent, memory) {
            (Some(concurrent), Some(memory)) => concurrent * memory,
            _ => memory_of_runs(&config),
        };
        let limit = mebibytes(service["mem_limit"].as_str().unwrap());
        assert!(runs + SERVER_MIB <= limit, "{name}: {runs} MiB of runs, limit {limit} MiB");
        assert_eq!(service["memswap_limit"], service["mem_limit"], "{name}");
    }
}

#[test]
fn every_variable_is_known() {
    for (name, service) in services() {
        let none = serde_json::Map::new();
        for variable in service["environment"].as_object().unwrap_or(&none).keys() {
            assert!(knows(variable), "{name}: {variable}");
        }
    }
}

#[test]
fn the_service_on_http_is_published_on_this_machine_only() {
    let (_, service) = services().pop().unwrap();
    let port = Dockerfile::read().last("EXPOSE").to_owned();
    assert_eq!(service["ports"], json!([format!("127.0.0.1:{port}:{port}")]));
}

#[test]
fn the_service_on_http_is_checked_as_the_image_is() {
    let (_, service) = services().pop().unwrap();
    let mut command = vec![json!("CMD")];
    command.extend(Dockerfile::read().health().as_array().unwrap().clone());
    assert_eq!(service["healthcheck"]["test"], Value::Array(command));
    let expected: Value = serde_json::from_str(Dockerfile::read().last("CMD")).unwrap();
    assert_eq!(service["command"], expected);
}

/// They have no port, so the image's check would find them ill.
#[test]
fn the_services_on_standard_input_are_not_checked() {
    for (name, service) in &services()[..2] {
        assert_eq!(service["healthcheck"], json!({"disable": true}), "{name}");
        assert_eq!(service["command"], json!(["stdio"]), "{name}");
    }
}

#[test]
fn a_service_is_stopped_later_than_it_drains() {
    // HttpConfig's default: the configuration in the image has none.
    let drain = mcp_conductor::HttpConfig::default().drain_timeout;
    for (name, service) in services() {
        let grace = service["stop_grace_period"].as_str().unwrap().trim_end_matches('s');
        assert!(grace.parse::<u64>().unwrap() > drain.as_secs(), "{name}");
    }
}
