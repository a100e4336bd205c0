"""What devices do, as pure steps: state, input and duration in, state out."""
