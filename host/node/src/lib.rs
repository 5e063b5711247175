//! Pods of other machines: calls of the plugin's tools over NATS.
//!
//! On the machine of the pods, [`node`] answers them, under that machine's grants; elsewhere [`Remote`] makes them, with
//! the calls of [`PodTools`](pod_tools_host::PodTools). Whoever carries them (a broker, a scheduler) is trusted with no
//! authority: a [`request`] is signed by its caller and names one node, tool, input and deadline; an [`answer`] is signed
//! by its node and names the request. What was done is kept in [`nonces`], so that a repeated request gets the first
//! one's outcome. These three read no clock and no network: times are arguments, in milliseconds since 1970.
//!
//! ```no_run
//! use pod_tools_host::Authority;
//! use pod_tools_node::connection::Connection;
//! use pod_tools_node::identity::Identity;
//! use pod_tools_node::{NodeName, Remote};
//!
//! # async fn called() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = Identity::parse(&std::fs::read_to_string("alice.nk")?)?;
//! let connection = Connection::open("nats://127.0.0.1:4222", &identity).await?;
//! let node: NodeName = "build-1".parse()?;
//! let key = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
//! let remote = Remote::new(connection, identity, [(node.clone(), key.to_owned())].into());
//! let limits = Authority::builder().build()?;
//! let answer = remote.call(&limits, &node, "ReadPodOutput", r#"{"name":"worker"}"#).await?;
//! println!("{}", answer.output().summary);
//! answer.delivered().await?; // only now does the read cursor move, on the node
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

pub mod answer;
mod asking;
mod body;
mod claim;
pub mod connection;
mod error;
pub mod event;
pub mod identity;
pub mod name;
pub mod node;
pub mod nonces;
mod places;
pub mod refusal;
pub mod remote;
pub mod request;
mod signed;
pub mod subject;

pub use self::name::NodeName;
pub use self::remote::Remote;
