package pool

func (s *snapshot) advice(cfg *config, in *Insights) []string { return nil }
