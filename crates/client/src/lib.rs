//! One client for every component: in process or over HTTP, typed calls, informers
