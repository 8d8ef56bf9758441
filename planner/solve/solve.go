package solve

// Solve finds the whole frontier of a valid instance.
func Solve(in *Instance, maxLabels int) *Result { return solvePlain(in) }
