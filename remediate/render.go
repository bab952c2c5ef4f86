package remediate

import "context"

func (p *planner) render(ctx context.Context) (bool, error) { return true, nil }
