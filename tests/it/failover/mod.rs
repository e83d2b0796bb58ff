//! Goal: a failover happens out of the application's view: no connection is closed, nothing is
//! executed twice, nothing that a planned failover could keep is lost, and what cannot be known is
//! said.
//!
//! Method: a load as applications make it (`load`: numbered writes, jobs, a broadcast), real
//! failovers under it (`scenario`), and the books of both sides compared (`outcome`) and judged
//! (`verdict`). The rounds are in `rounds`, `many`, `abort` and `lag`. `matrix` looks at one
//! session's state at a time, `counter` at one number through every kind of fault.

mod abort;
mod actor;
mod audience;
mod counter;
mod entrance;
mod jobs;
mod lag;
mod load;
mod many;
mod matrix;
mod outcome;
mod pusher;
mod report;
mod rounds;
mod scenario;
mod storm;
mod verdict;
