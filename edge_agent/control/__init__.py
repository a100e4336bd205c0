"""Control: limits, problem, solver, dispatch. Pure; decides and does nothing else."""
