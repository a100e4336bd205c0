"""Who may do what, and where: roles, permissions, scope, and what proves a subject; pure."""
