"""People: who logs in and how, what each role may do, invitations."""
