package admission

import (
	corev1 "k8s.io/api/core/v1"
)

// podSpecDefaults are those of every pod template and pod.
func podSpecDefaults(s *corev1.PodSpec) {
	or(&s.ServiceAccountName, s.DeprecatedServiceAccount)
	s.DeprecatedServiceAccount = s.ServiceAccountName
	or(&s.DNSPolicy, corev1.DNSClusterFirst)
	or(&s.RestartPolicy, corev1.RestartPolicyAlways)
	pointer(&s.SecurityContext, corev1.PodSecurityContext{})
	pointer(&s.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	or(&s.SchedulerName, corev1.DefaultSchedulerName)
	for i := range s.Volumes {
		volumeDefaults(&s.Volumes[i].VolumeSource)
	}
	eachContainer(s, containerDefaults)
}

// podDefaults are those that pods have and pod templates do not, and what the
// admission plugin of service accounts adds to them.
func podDefaults(s *corev1.PodSpec) {
	or(&s.ServiceAccountName, "default")
	s.DeprecatedServiceAccount = s.ServiceAccountName
	pointer(&s.EnableServiceLinks, corev1.DefaultEnableServiceLinks)
	for _, list := range [][]corev1.Container{s.Containers, s.InitContainers} {
		for i := range list {
			c := &list[i]
			if c.Resources.Limits != nil && c.Resources.Requests == nil {
				c.Resources.Requests = corev1.ResourceList{}
			}
			for name, quantity := range c.Resources.Limits {
				if _, ok := c.Resources.Requests[name]; !ok {
					c.Resources.Requests[name] = quantity.DeepCopy()
				}
			}
			for j := range c.Ports {
				if s.HostNetwork {
					or(&c.Ports[j].HostPort, c.Ports[j].ContainerPort)
				}
			}
		}
	}
}

// eachContainer calls f with every container; ephemeral ones have the same
// fields, and are given back what f made of them.
func eachContainer(s *corev1.PodSpec, f func(*corev1.Container)) {
	for i := range s.InitContainers {
		f(&s.InitContainers[i])
	}
	for i := range s.Containers {
		f(&s.Containers[i])
	}
	for i := range s.EphemeralContainers {
		c := corev1.Container(s.EphemeralContainers[i].EphemeralContainerCommon)
		f(&c)
		s.EphemeralContainers[i].EphemeralContainerCommon = corev1.EphemeralContainerCommon(c)
	}
}

func containerDefaults(c *corev1.Container) {
	pull := corev1.PullIfNotPresent
	if tag(c.Image) == "latest" {
		pull = corev1.PullAlways
	}
	or(&c.ImagePullPolicy, pull)
	or(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	or(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	for i := range c.Ports {
		or(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for i := range c.Env {
		if from := c.Env[i].ValueFrom; from != nil && from.FieldRef != nil {
			or(&from.FieldRef.APIVersion, "v1")
		}
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p == nil {
			continue
		}
		or(&p.TimeoutSeconds, 1)
		or(&p.PeriodSeconds, 10)
		or(&p.SuccessThreshold, 1)
		or(&p.FailureThreshold, 3)
		getDefaults(p.HTTPGet)
		if p.GRPC != nil {
			pointer(&p.GRPC.Service, "")
		}
	}
	if l := c.Lifecycle; l != nil {
		for _, h := range []*corev1.LifecycleHandler{l.PostStart, l.PreStop} {
			if h != nil {
				getDefaults(h.HTTPGet)
			}
		}
	}
}

func getDefaults(g *corev1.HTTPGetAction) {
	if g != nil {
		or(&g.Path, "/")
		or(&g.Scheme, corev1.URISchemeHTTP)
	}
}

func volumeDefaults(v *corev1.VolumeSource) {
	const mode = 0o644
	switch {
	case *v == (corev1.VolumeSource{}):
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	case v.Secret != nil:
		pointer(&v.Secret.DefaultMode, mode)
	case v.ConfigMap != nil:
		pointer(&v.ConfigMap.DefaultMode, mode)
	case v.DownwardAPI != nil:
		pointer(&v.DownwardAPI.DefaultMode, mode)
		fieldDefaults(v.DownwardAPI.Items)
	case v.Projected != nil:
		pointer(&v.Projected.DefaultMode, mode)
		for _, s := range v.Projected.Sources {
			if s.ServiceAccountToken != nil {
				pointer(&s.ServiceAccountToken.ExpirationSeconds, 3600)
			}
			if s.DownwardAPI != nil {
				fieldDefaults(s.DownwardAPI.Items)
			}
		}
	case v.HostPath != nil:
		pointer(&v.HostPath.Type, corev1.HostPathUnset)
	case v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil:
		claimDefaults(&v.Ephemeral.VolumeClaimTemplate.Spec)
	}
}

func fieldDefaults(files []corev1.DownwardAPIVolumeFile) {
	for _, f := range files {
		if f.FieldRef != nil {
			or(&f.FieldRef.APIVersion, "v1")
		}
	}
}

// qosClass is what the API server works out of the resources of a pod.
func qosClass(s corev1.PodSpec) corev1.PodQOSClass {
	any, same := false, true
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for _, c := range list {
			any = any || len(c.Resources.Requests)+len(c.Resources.Limits) > 0
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				limit, limited := c.Resources.Limits[name]
				same = same && limited && limit.Equal(c.Resources.Requests[name])
			}
		}
	}
	switch {
	case !any:
		return corev1.PodQOSBestEffort
	case same:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}
