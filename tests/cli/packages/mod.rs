//! What is around the program: image, services, manifests, unit, bundle, registry
//! entry. They are kept valid, and in agreement with each other and with the
//! program. docs/deployment.md says what this cannot show.

mod compose;
mod docker;
mod files;
mod kubernetes;
mod mcpb;
mod registry;
mod systemd;
