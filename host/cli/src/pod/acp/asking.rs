//! What the agent asks to be permitted in a turn: judged by the policy, or put to a person.

use agent_client_protocol_schema::v1::{
    Error, RequestId, RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse,
};

use super::driver::Driver;
use super::message::response;
use super::permit::{Verdict, can_be_allowed, outcome};
use super::turn::{InTurn, Led, Waiting, of_params};
use crate::pod::protocol::Choice;
use crate::pod::turn::{Failure, MAX_QUESTIONS, Progress, Question};
use crate::pod::turn_item::TurnItem;

/// How often an agent may ask for permission in one turn.
const MAX_PERMISSIONS: usize = 256;

impl Driver {
    /// Answers a request for permission, or notes that a person is asked.
    pub(super) async fn permission(&mut self, turn: &mut InTurn, id: RequestId, params: &str) -> Led {
        turn.permissions += 1;
        if turn.permissions > MAX_PERMISSIONS {
            let reason = format!("asked for permission more than {MAX_PERMISSIONS} times in one turn");
            return Err(Failure {
                message: format!("`{}` {reason}", self.name),
                reason: format!("it {reason}"),
            });
        }
        let asked = match of_params::<RequestPermissionRequest>(params) {
            Ok(asked) => asked,
            Err(error) => {
                self.send(&response(&id, Err::<(), Error>(error)));
                return Ok(None);
            }
        };
        let action = turn.transcript.action(&asked.tool_call.tool_call_id.0, asked.tool_call.fields);
        let verdict = match self.permit.judge(action.kind, &action.files, &self.place, self.is_fenced) {
            _ if turn.cancelled.is_some() => Verdict::Refused,
            Verdict::Asked if turn.waiting.len() >= MAX_QUESTIONS => Verdict::Refused,
            // Nobody need be asked for what cannot be allowed once.
            Verdict::Asked | Verdict::Allowed if !can_be_allowed(&asked.options) => Verdict::Refused,
            verdict => verdict,
        };
        if verdict == Verdict::Asked {
            self.questions += 1;
            let question = Question { id: self.questions.to_string(), text: action.text };
            turn.waiting.push(Waiting { question, request: id, options: asked.options });
            turn.tell_waiting().await;
            return Ok(None);
        }
        let is_allowed = verdict == Verdict::Allowed;
        self.decide(&id, outcome(is_allowed, &asked.options));
        let answer = if is_allowed { "allowed" } else { "refused" };
        if !is_allowed {
            let policy = self.permit.word();
            turn.tell(Progress::Warning(format!("refused by --permit {policy}: {}", action.text))).await;
        }
        let item = TurnItem::Permission { question: action.text, answer, by: self.permit.word() };
        turn.tell(Progress::Item(item)).await;
        Ok(None)
    }

    /// A person's answer.
    pub(super) async fn answer(&mut self, turn: &mut InTurn, id: &str, choice: Choice) {
        let Some(at) = turn.waiting.iter().position(|waiting| waiting.question.id == id) else { return };
        let Waiting { question, request, options } = turn.waiting.remove(at);
        let is_allowed = choice == Choice::Allow;
        self.decide(&request, outcome(is_allowed, &options));
        let answer = if is_allowed { "allowed" } else { "refused" };
        turn.tell(Progress::Item(TurnItem::Permission { question: question.text, answer, by: "answer" }))
            .await;
        turn.tell_waiting().await;
    }

    /// Answers what waits for a person: nothing was chosen.
    pub(super) async fn let_go(&mut self, turn: &mut InTurn) {
        if turn.waiting.is_empty() {
            return;
        }
        for waiting in std::mem::take(&mut turn.waiting) {
            self.decide(&waiting.request, RequestPermissionOutcome::Cancelled);
        }
        turn.tell_waiting().await;
    }

    fn decide(&mut self, id: &RequestId, outcome: RequestPermissionOutcome) {
        self.send(&response(id, Ok(RequestPermissionResponse::new(outcome))));
    }
}
