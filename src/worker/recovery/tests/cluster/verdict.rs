//! What must hold at the end of every story.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::proxy::Phase;
use super::super::server::{Id, Op, Reply};
use super::Story;
use super::servers::Fault;

impl Story {
    /// Holds the end of the story against what clients were told and nodes executed.
    pub(super) fn judge(&self) -> Result<(), String> {
        let mut executed = BTreeMap::<Id, usize>::new();
        for data in &self.servers.nodes {
            for effect in data.node.effects.iter().filter(|it| it.op == Op::Write) {
                *executed.entry(effect.id).or_default() += 1;
            }
        }
        if let Some((id, times)) = executed
            .iter()
            .max_by_key(|(id, times)| (**times, Reverse(**id)))
            && *times > 1
        {
            return Err(format!("{id} was executed {times} times"));
        }
        let clients = self.fleet.iter().flat_map(|instance| &instance.clients);
        for client in clients {
            let told = &client.proxy.told;
            // A link that breaks inside a reply ends its client.
            let open = client.proxy.phase == Phase::Open;
            if open && told.len() != client.sent.len() {
                let counts = (told.len(), client.sent.len());
                let fault = self.fault;
                return Err(format!("{fault:?}: replies and commands: {counts:?}"));
            }
            for (command, told) in client.sent.iter().zip(told) {
                if told.of.is_some_and(|id| id != command.id) {
                    return Err(format!("{command:?} got a stranger's reply {told:?}"));
                }
                self.kept(command.id, &told.reply, command.op)?;
            }
        }
        Ok(())
    }

    /// A planned failover loses nothing that was acknowledged, and answers nothing UNCERTAIN that
    /// was not in flight when a link broke.
    fn kept(&self, id: Id, reply: &Reply, op: Op) -> Result<(), String> {
        let planned = matches!(self.fault, Fault::Planned | Fault::Abort(_));
        if !planned || op != Op::Write || *reply != Reply::Done {
            return Ok(());
        }
        let primary = &self.servers.nodes[self.servers.primary()];
        match primary.holds.iter().any(|(held, _)| *held == id) {
            true => Ok(()),
            false => Err(format!("{id} was acknowledged and is lost")),
        }
    }
}
