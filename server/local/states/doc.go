// Package states is the local AWS Step Functions: express workflows, started synchronously, that invoke the functions of the local
// cloud. It speaks the service's JSON protocol (AWS JSON 1.0, API version 2016-11-23).
//
// It runs the part of the Amazon States Language (states-language.net, and the Step Functions developer guide) that Partita's state
// machines and the like of them are written in: the states Pass, Task, Choice, Parallel, Succeed and Fail, with Assign, Arguments,
// Output, Retry and Catch, in JSONata; of tasks, the invocation of a function (arn:aws:states:::lambda:invoke). Of JSONata it knows
// paths, constructors, operators and some functions, listed in functions.go. A definition with anything else is refused when it is
// created, with everything in it that is unknown, rather than failing when it runs.
//
// Limits are the service's (quotas page, 2026): 262,144 bytes of input and output of every state, five minutes, definitions of 1 MiB.
package states
