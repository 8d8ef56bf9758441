// Package check holds plans against what they promise, by means of its own: a discrete-event simulation of the deployment
// that a plan document describes must take and cost what the plan says, and changes of a request or of a platform whose
// effect is known in advance must have it. Only tests use it; models are made by lot.
package check
