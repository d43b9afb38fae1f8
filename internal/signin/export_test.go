package signin

// Open counts the sessions that have sockets.
func (d *Desk) Open() int { return len(d.sockets.sessions()) }
