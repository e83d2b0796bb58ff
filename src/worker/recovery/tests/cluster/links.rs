//! The bytes between an instance's clients and the nodes: what is moved, lost, and late.

use super::fleet::Instance;
use super::servers::Servers;

impl Instance {
    /// Moves bytes of a client's link, as many as may be at once.
    pub(super) fn move_bytes(&mut self, client: usize, parts: usize, servers: &mut Servers) {
        let client = &mut self.clients[client];
        let data = &mut servers.nodes[client.node];
        if let Some(wire) = client.proxy.wire() {
            wire.write(parts);
        }
        if data.answers {
            client.proxy.arrive(&mut data.node, parts);
        }
        for _ in 0..parts {
            if let Some(wire) = client.proxy.read() {
                self.late.push((client.node, wire));
            }
        }
    }

    /// A link breaks.
    pub(super) fn break_link(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if let Some(wire) = client.proxy.lose_link() {
            self.late.push((client.node, wire));
        }
    }

    /// What was written to lost links arrives where a node takes it.
    pub(super) fn arrive_late(&mut self, servers: &mut Servers) {
        self.late.retain_mut(|(node, wire)| {
            let data = &mut servers.nodes[*node];
            if data.answers {
                wire.arrive(&mut data.node, usize::MAX);
            }
            // A node that is gone for good takes nothing any more.
            !data.answers && data.frozen
        });
    }
}
