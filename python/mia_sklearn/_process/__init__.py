"""What every part needs of the process: its cores, its terminal, text that both can show."""
