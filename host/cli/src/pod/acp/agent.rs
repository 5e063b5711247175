//! The pod's handle on its agent.

use agent_client_protocol_schema::v1::SessionId;
use anyhow::bail;
use tokio::sync::{mpsc, oneshot};

use super::driver::{Driver, Order, Setting};
use crate::pod::history::Recalled;
use crate::pod::signals::Signals;
use crate::pod::supervisor::Supervisor;
use crate::pod::turn::Turn;

/// An agent that has been started. Dropping it ends the agent.
#[derive(Debug)]
pub struct Agent {
    orders: mpsc::Sender<Order>,
}

/// An agent, and what it said at its start.
#[derive(Debug)]
pub struct Started {
    pub agent: Agent,
    /// Its name and version, where it says them.
    pub name: Option<String>,
    /// Its session.
    pub session: String,
    /// What that holds, where one is gone on with and the agent tells it.
    pub recalled: Vec<Recalled>,
}

impl Agent {
    /// Starts the supervisor's command and begins a session with it: the one of this id, or a new one. `is_kept`: the
    /// agent must be able to go on with it another time.
    ///
    /// Fails where that is no agent, and where it takes too long or a signal comes; it is gone then, with all that it has
    /// started.
    pub async fn start(
        mut supervisor: Supervisor,
        setting: Setting,
        turn: u64,
        (session, is_kept): (Option<String>, bool),
        signals: &mut Signals,
    ) -> anyhow::Result<Started> {
        let name = supervisor.program();
        let (orders, receiver) = mpsc::channel(1);
        let mut driver = match Driver::spawned(&mut supervisor, turn).await {
            Ok(process) => Driver::new(supervisor, process, setting, receiver),
            Err(error) => bail!("cannot start `{name}`: {error}"),
        };
        let session = session.map(SessionId::new);
        let begun = tokio::select! {
            begun = driver.begin(session.as_ref(), is_kept) => begun,
            _ = signals.next() => {
                driver.end().await;
                bail!("the agent `{name}` was still starting when the pod was ended");
            }
        };
        match begun {
            Ok(begun) => {
                tokio::spawn(driver.serve());
                let name = begun.abilities.name;
                let session = begun.id.0.to_string();
                Ok(Started { agent: Agent { orders }, name, session, recalled: begun.recalled })
            }
            Err(fault) => {
                driver.end().await;
                bail!("the agent `{name}` does not start: {fault}")
            }
        }
    }

    /// Prompts it with the message of this number.
    pub fn prompt(&self, number: u64, message: String) -> Turn {
        let (turn, work) = Turn::new();
        // Where nobody takes it, the turn is lost, and says so.
        let _ = self.orders.try_send(Order::Prompt { number, message, work });
        turn
    }

    /// Ends it, and all that it has left in the background.
    pub async fn end(&self) {
        let (done, ended) = oneshot::channel();
        if self.orders.send(Order::End(done)).await.is_ok() {
            let _ = ended.await;
        }
    }
}
